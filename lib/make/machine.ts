/** How fast the full model reads and writes on this machine, alone. */

import { loadPair, type ModelInfo, type Pair } from "../engine/index.js";
import type { AskedPrompt } from "../eval/data/prompt-shapes.js";
import type { GpuOption, ModelSource } from "../internal/model-source.js";
import { readParameters, widthsOf } from "./model-cost.js";
import type { MeasuredMachine } from "./results.js";

export interface MeasuredFull {
  readonly machine: MeasuredMachine;
  readonly shape: ModelInfo;
  /** Of the pair that was loaded. */
  readonly contextSize: number;
}

/** Answers that are timed, behind one that pays for more than itself. */
const timedAnswers = 3;
const writtenTokens = 33;
/** Prompts whose length is looked at. */
const sampledPrompts = 32;

/**
 * Reads and goes on with a prompt of middling length. Rejects with what {@link loadPair} rejects with; ERR_CONTEXT_OVERFLOW
 * where no prompt leaves room for an answer.
 */
export async function measureMachine(
  source: ModelSource,
  prompts: readonly AskedPrompt[],
  options: {
    readonly contextSize?: number | undefined;
    readonly threads?: number | undefined;
    readonly gpu: GpuOption;
    readonly signal?: AbortSignal | undefined;
  },
  onProgress: (fraction: number) => void,
): Promise<MeasuredFull> {
  const { contextSize: asked, threads: wanted, gpu: device, signal } = options;
  const loading = { contextSize: asked, threads: wanted, gpu: device, signal };
  const pair = await loadPair({ prefill: source, ...loading, onProgress: ({ fraction }) => onProgress(fraction / 2) });
  try {
    const sample = await tokensOfSample(pair, prompts);
    const promptTokens = Math.round(sample.reduce((sum, { length }) => sum + length, 0) / sample.length);
    const fitting = sample
      .filter(({ length }) => length + writtenTokens <= pair.info.contextSize)
      .toSorted((a, b) => a.length - b.length);
    // Where none fits, the session tells of it.
    const prompt = fitting[fitting.length >> 1] ?? sample[0] ?? [];
    const reads: number[] = [];
    const writes: number[] = [];
    for (let i = 0; i <= timedAnswers; i++) {
      const timed = await timedAnswer(pair, prompt, signal);
      if (i > 0) {
        reads.push(timed.reads);
        writes.push(timed.writes);
      }
      onProgress(0.5 + (0.5 * (i + 1)) / (timedAnswers + 1));
    }
    const { prefill: shape, threads, gpu, contextSize } = pair.info;
    const decodeTokensPerSecond = median(writes);
    const bytes = (readParameters(shape, widthsOf(shape)) * shape.sizeBytes) / shape.parameters;
    return {
      machine: {
        prefillTokensPerSecond: median(reads),
        decodeTokensPerSecond,
        readBytesPerSecond: bytes * decodeTokensPerSecond,
        ...{ promptTokens, threads, gpu },
      },
      shape,
      contextSize,
    };
  } finally {
    await pair.dispose();
  }
}

async function tokensOfSample(pair: Pair, prompts: readonly AskedPrompt[]): Promise<(readonly number[])[]> {
  const stride = Math.max(1, Math.floor(prompts.length / sampledPrompts));
  const sample = prompts.filter((_, i) => i % stride === 0).slice(0, sampledPrompts);
  return Promise.all(sample.map(async (asked) => (await pair.encodeAsync(recordOf(asked))).prompt));
}

/** A record needs a response; it is not looked at. */
const recordOf = (asked: AskedPrompt) =>
  asked.kind === "chat"
    ? { messages: [...asked.messages, { role: "assistant", content: "an answer" }] }
    : { prompt: asked.prompt, response: "an answer" };

async function timedAnswer(pair: Pair, prompt: readonly number[], signal: AbortSignal | undefined) {
  await using session = await pair.createSession();
  const options = { maxTokens: writtenTokens, temperature: 0, ignoreEos: true, ...(signal && { signal }) };
  const { prefill, decode } = await session.generate(prompt, options);
  return { reads: prefill.tokensPerSecond, writes: (1000 * (decode.tokens - 1)) / Math.max(decode.ms, 1e-3) };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
