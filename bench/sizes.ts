/** How much is measured: all numbers that differ between a full run, a small one and one that only shows that it runs. */

import { fullShapes, leastShapes, networkShapes, type PairShapes, smallShapes } from "./shapes.js";

export interface BenchSize {
  readonly name: "full" | "small" | "smoke";
  readonly shapes: PairShapes;
  /** Of every measurement that takes turns. */
  readonly rounds: number;
  /** Tokens of prompt and of answer in a race of the large models, and of the demo pair. */
  readonly race: { readonly prompt: number; readonly decode: number };
  readonly demo: { readonly prompt: number; readonly decode: number; readonly rounds: number };
  /** Sessions that write at the same time, ascending. */
  readonly sessions: readonly number[];
  /** Answers that run while a prompt is read: how many, and their tokens before it and beside it. */
  readonly interference: { readonly prompt: number; readonly answers: number; readonly tokens: number };
  /** A long prompt that is read, read again, saved and restored; a chat with so many new tokens in each turn. */
  readonly lasting: {
    readonly prompt: number;
    readonly turns: number;
    readonly chat: { readonly turnTokens: number; readonly answerTokens: number };
  };
  /** Prompt and answer of a race between qualities, and the acceptances that are tried. */
  readonly quality: {
    readonly prompt: number;
    readonly decode: number;
    readonly acceptances: readonly number[];
    /** Of the drafts of llama.cpp's own loop, ascending: it gets the one that is best for it. */
    readonly draftLengths: readonly number[];
  };
  /** Prompts, ascending, and answer with the package's kernels and ggml's. */
  readonly kernels: { readonly prompts: readonly number[]; readonly decode: number };
  /** A prompt that is read beyond a network, in micro-batches of `batch` tokens. */
  readonly network: {
    readonly shapes: Pick<PairShapes, "prefill" | "decode">;
    readonly prompt: number;
    readonly batch: number;
    readonly rounds: number;
  };
  /** Starts of a fresh process. */
  readonly starts: number;
  /** Tokens of prompt to switch at, ascending. */
  readonly switches: readonly number[];
  /** The caches that are translated. */
  readonly translate: { readonly layers: number; readonly tokens: number };
  /** Tokens of context when memory is measured. */
  readonly contextSize: number;
  /** Windows of text that a pruning is calibrated with. */
  readonly calibrationWindows: number;
}

const full: BenchSize = {
  name: "full",
  shapes: fullShapes,
  rounds: 5,
  race: { prompt: 128, decode: 40 },
  demo: { prompt: 64, decode: 256, rounds: 11 },
  sessions: [1, 2, 4, 8, 16],
  interference: { prompt: 8192, answers: 3, tokens: 150 },
  lasting: { prompt: 8192, turns: 50, chat: { turnTokens: 16, answerTokens: 8 } },
  quality: {
    prompt: 128,
    decode: 96,
    acceptances: [0, 0.6, 0.8, 0.9, 1],
    draftLengths: [1, 2, 3, 4, 5, 6, 7, 8, 11, 15],
  },
  kernels: { prompts: [512, 2048], decode: 24 },
  network: { shapes: networkShapes, prompt: 512, batch: 64, rounds: 3 },
  starts: 7,
  switches: [512, 4096, 16_384],
  translate: { layers: 28, tokens: 16_384 },
  contextSize: 4096,
  calibrationWindows: 4,
};

const small: BenchSize = {
  ...full,
  name: "small",
  shapes: smallShapes,
  race: { prompt: 128, decode: 32 },
  demo: { ...full.demo, rounds: 5 },
  lasting: { ...full.lasting, prompt: 4096 },
  switches: [512, 4096],
  translate: { layers: 28, tokens: 4096 },
  calibrationWindows: 8,
};

const smoke: BenchSize = {
  name: "smoke",
  shapes: leastShapes,
  rounds: 1,
  race: { prompt: 32, decode: 8 },
  demo: { prompt: 32, decode: 16, rounds: 1 },
  sessions: [1, 2],
  // More tokens than are written before a slow reader comes: some are left to be written beside the prompt.
  interference: { prompt: 256, answers: 2, tokens: 600 },
  lasting: { prompt: 512, turns: 4, chat: { turnTokens: 16, answerTokens: 8 } },
  quality: { prompt: 32, decode: 24, acceptances: [0, 1], draftLengths: [1, 3] },
  kernels: { prompts: [32], decode: 8 },
  network: { shapes: leastShapes, prompt: 64, batch: 32, rounds: 1 },
  starts: 1,
  switches: [256],
  translate: { layers: 2, tokens: 256 },
  contextSize: 512,
  calibrationWindows: 2,
};

export const benchSizes = { full, small, smoke } as const;
