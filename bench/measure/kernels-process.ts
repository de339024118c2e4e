/** The process of {@link measureKernels}: a pair with the package's kernels and with ggml's, in turn. */

import { loadPair, type Pair, type Session } from "../../lib/index.js";
import { serve } from "../child-process.js";

export interface KernelsRequest {
  readonly prefill: string;
  readonly decode: string;
  readonly threads: number;
  readonly rounds: number;
  /** Prompts to read, by tokens. */
  readonly prompts: readonly number[];
  /** Tokens of one session that are read at once. */
  readonly reads: readonly number[];
  /** Tokens of an answer. */
  readonly answer: number;
  readonly tokens: readonly number[];
}

/** Milliseconds by round: of each prompt, of each read, and of a token that the decode and the prefill model write. */
export interface KernelTimes {
  readonly prompts: readonly (readonly number[])[];
  readonly reads: readonly (readonly number[])[];
  readonly decode: readonly number[];
  readonly alone: readonly number[];
}

export interface KernelsTiming {
  readonly instructions: string | false;
  readonly reason: string;
  readonly ours: KernelTimes;
  readonly ggml: KernelTimes;
}

serve<KernelsRequest, KernelsTiming>(async (request) => {
  await using ours = await open(request, "auto");
  await using ggml = await open(request, false);
  const contestants = [new Contestant(ours.pair, ours.session), new Contestant(ggml.pair, ggml.session)] as const;
  for (let round = -1; round < request.rounds; round++)
    // Who is first changes, since a processor that has worked is not what it was.
    for (const contestant of round % 2 === 0 ? contestants : [...contestants].reverse())
      await contestant.run(request, round >= 0);
  const { instructions, reason } = ours.pair.info.kernels;
  return { instructions, reason, ours: contestants[0].times, ggml: contestants[1].times };
});

async function open({ prefill, decode, threads, prompts, answer }: KernelsRequest, kernels: "auto" | false) {
  const pair = await loadPair({
    prefill: { model: prefill },
    decode: { model: decode },
    contextSize: Math.max(...prompts) + answer + 64,
    threads,
    gpu: false,
    prefixCache: false,
    kernels,
  });
  const session = await pair.createSession();
  return { pair, session, [Symbol.asyncDispose]: () => pair.dispose() };
}

class Contestant {
  readonly times = {
    prompts: [] as number[][],
    reads: [] as number[][],
    decode: [] as number[],
    alone: [] as number[],
  };

  constructor(
    readonly pair: Pair,
    private readonly session: Session,
  ) {}

  /** The first round is for graphs that are made. */
  async run({ prompts, reads, answer, tokens }: KernelsRequest, keep: boolean): Promise<void> {
    const { session, times } = this;
    const note = (lists: number[][], i: number, ms: number) => {
      lists[i] ??= [];
      if (keep) lists[i].push(ms);
    };
    for (const [i, n] of prompts.entries()) {
      await session.truncate(0);
      note(times.prompts, i, (await session.prefill(tokens.slice(0, n))).ms);
    }
    const [short = 0] = prompts;
    await session.truncate(0);
    await session.prefill(tokens.slice(0, short));
    for (const [i, n] of reads.entries()) {
      note(times.reads, i, (await session.prefill(tokens.slice(0, n), { refresh: false })).ms);
      await session.truncate(short);
    }
    await session.prefill(tokens.slice(0, 1));
    await session.switch();
    for (const [writer, list] of [
      ["decode", times.decode],
      ["prefill", times.alone],
    ] as const) {
      const stream = session.decode({ writer, temperature: 0, maxTokens: answer, ignoreEos: true });
      for await (const _ of stream);
      const { ms, tokens: written } = await stream.result;
      if (keep) list.push(ms / (written - 1));
      await session.truncate(short + 1);
    }
  }
}
