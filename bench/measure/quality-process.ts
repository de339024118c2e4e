/** The process of {@link measureQuality}: answers of the prefill model alone and with drafts of a given acceptance, in turn. */

import { decodeChat, type Session } from "../../lib/engine/session.js";
import { type DecodeResult, loadPair } from "../../lib/index.js";
import { serve } from "../child-process.js";

export interface QualityRequest {
  readonly prefill: string;
  readonly decode: string;
  readonly threads: number;
  readonly contextSize: number;
  readonly prompt: readonly number[];
  readonly tokens: number;
  readonly rounds: number;
  readonly acceptances: readonly number[];
  /** Tokens of the reads whose cost is measured. */
  readonly reads: readonly number[];
}

export interface QualityTiming {
  /** Milliseconds a token, by round: the prefill model alone, the decode model alone, and with drafts, by acceptance. */
  readonly alone: readonly number[];
  readonly fast: readonly number[];
  readonly checked: readonly (readonly number[])[];
  /** Drafted tokens and checks of the last round, by acceptance. */
  readonly drafted: readonly (readonly [tokens: number, checks: number])[];
  /** Milliseconds of a read of so many tokens, by `reads` and round. */
  readonly readMs: readonly (readonly number[])[];
}

serve<QualityRequest, QualityTiming>(async (request) => {
  const { prefill, decode, threads, contextSize, prompt, rounds, acceptances, reads } = request;
  await using pair = await loadPair({
    prefill: { model: prefill },
    decode: { model: decode },
    contextSize,
    maxSessions: 2,
    threads,
    gpu: false,
    prefixCache: false,
  });
  await using session = await pair.createSession();
  await session.prefill(prompt);
  await session.switch();
  await using reader = await pair.createSession();
  await reader.prefill(prompt);
  const alone: number[] = [];
  const fast: number[] = [];
  const checked: number[][] = acceptances.map(() => []);
  const drafted: [number, number][] = acceptances.map(() => [0, 0]);
  const readMs: number[][] = reads.map(() => []);
  // The first round is for graphs that are made, and for costs that are not known yet.
  for (let round = -1; round < rounds; round++) {
    const keep = (list: number[], ms: number) => round >= 0 && list.push(ms);
    keep(alone, msPerToken(await write(session, request, { writer: "prefill" })));
    keep(fast, msPerToken(await write(session, request, { writer: "decode" })));
    for (const [i, acceptance] of acceptances.entries()) {
      const result = await write(session, request, { writer: "decode", acceptance });
      keep(checked[i] ?? [], msPerToken(result));
      drafted[i] = [result.verification?.draftedTokens ?? 0, result.verification?.checks ?? 0];
    }
    for (const [i, n] of reads.entries()) keep(readMs[i] ?? [], await readCost(reader, prompt, n));
  }
  return { alone, fast, checked, drafted, readMs };
});

const msPerToken = ({ ms, tokens }: DecodeResult) => ms / (tokens - 1);

async function write(
  session: Session,
  { tokens, prompt }: QualityRequest,
  { writer, acceptance }: { readonly writer: string; readonly acceptance?: number },
): Promise<DecodeResult> {
  const options = { writer, temperature: 0, maxTokens: tokens, ignoreEos: true } as const;
  const stream =
    acceptance === undefined
      ? session.decode(options)
      : decodeChat(session, { ...options, quality: "exact" }, { syntheticAcceptance: acceptance });
  for await (const _ of stream);
  const result = await stream.result;
  await session.truncate(prompt.length);
  return result;
}

/** Behind the prompt, as a check of a draft reads. */
async function readCost(session: Session, prompt: readonly number[], n: number): Promise<number> {
  const { ms } = await session.prefill(prompt.slice(0, n), { refresh: false });
  await session.truncate(prompt.length);
  return ms;
}
