/** The process of {@link measureQuality}: answers of the prefill model alone and with drafts of a given acceptance. */

import { decodeChat } from "../../lib/engine/session.js";
import { loadPair, type Pair, type Session } from "../../lib/index.js";
import { serve } from "../child-process.js";

export interface QualitySettings {
  readonly prefill: string;
  readonly decode: string;
  readonly threads: number;
  readonly contextSize: number;
  readonly prompt: readonly number[];
}

export type QualityRequest =
  | { readonly verb: "open"; readonly settings: QualitySettings }
  | {
      readonly verb: "write";
      /** With an acceptance, an exact answer whose drafts are the decode model's. */
      readonly writer: "prefill" | "decode";
      readonly acceptance?: number;
      readonly tokens: number;
      readonly seed: number;
    }
  /** Behind the prompt, as a check of a draft reads. */
  | { readonly verb: "read"; readonly tokens: number };

export interface QualityAnswer {
  /** Of a written answer: of each token after the first one. */
  readonly ms: number;
  readonly draftedTokens: number;
  readonly checks: number;
}

let open: { pair: Pair; writes: Session; reads: Session; prompt: readonly number[] } | undefined;

serve<QualityRequest, QualityAnswer>(async (request) => {
  if (request.verb === "open") open = await load(request.settings);
  if (!open) throw new Error("no pair was opened");
  const { writes, reads, prompt } = open;
  switch (request.verb) {
    case "open":
      return { ms: open.pair.info.loadMs, draftedTokens: 0, checks: 0 };
    case "write":
      return write(writes, prompt, request);
    case "read": {
      const { ms } = await reads.prefill(prompt.slice(0, request.tokens), { refresh: false });
      await reads.truncate(prompt.length);
      return { ms, draftedTokens: 0, checks: 0 };
    }
  }
});

async function load({ prefill, decode, threads, contextSize, prompt }: QualitySettings) {
  const pair = await loadPair({
    prefill: { model: prefill },
    decode: { model: decode },
    contextSize,
    maxSessions: 2,
    threads,
    gpu: false,
    prefixCache: false,
  });
  const writes = await pair.createSession();
  await writes.prefill(prompt);
  await writes.switch();
  const reads = await pair.createSession();
  await reads.prefill(prompt);
  return { pair, writes, reads, prompt };
}

async function write(
  session: Session,
  prompt: readonly number[],
  { writer, acceptance, tokens, seed }: QualityRequest & { verb: "write" },
): Promise<QualityAnswer> {
  const options = { writer, temperature: 0, maxTokens: tokens, ignoreEos: true, seed } as const;
  const stream =
    acceptance === undefined
      ? session.decode(options)
      : decodeChat(session, { ...options, quality: "exact" }, { syntheticAcceptance: acceptance });
  for await (const _ of stream);
  const result = await stream.result;
  await session.truncate(prompt.length);
  const { draftedTokens = 0, checks = 0 } = result.verification ?? {};
  return { ms: result.ms / (result.tokens - 1), draftedTokens, checks };
}
