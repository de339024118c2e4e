/** What a benchmark answers: plain read-only objects that JSON can hold. */

import type { BadLine } from "../../internal/bad-line.js";
import type { EvaluatedModel, RowMemory } from "../report.js";
import type { BenchWay } from "./options.js";

/** How fast a way is: the median of the rounds. */
export interface BenchSpeed {
  /** Tokens of prompts a second; what the way's first token waits for but the switch. */
  readonly prefillTokensPerSecond: number;
  /** Tokens of answers a second, from the second one on. */
  readonly decodeTokensPerSecond: number;
  /** From the call to the first token, of a mean prompt. */
  readonly firstTokenMs: number;
  /** Tokens of a mean answer. */
  readonly answerTokens: number;
  /** A mean answer with its prompt. */
  readonly answerMs: number;
  /** How many times as fast as the full model alone it writes: the median of the rounds' ratios. */
  readonly writesTimes: number;
  /** The same of whole answers with their prompts. */
  readonly answersTimes: number;
}

/** How near to the full model at some positions of answers or responses. */
export interface BenchPosition {
  /** The first position, from 1: the first token of all is the full model's wherever it reads. */
  readonly from: number;
  /** The last one. */
  readonly to: number;
  readonly tokens: number;
  /** Share of tokens. */
  readonly agreement: number;
}

/** What the way writes at a temperature of 0, read by the full model: the tokens that it would have written there, too. */
export interface WrittenAgreement {
  readonly tokens: number;
  readonly agreement: number;
  readonly positions: readonly BenchPosition[];
}

/** How near the way is to the full model when it is given the responses of the data. */
export interface GivenFigures {
  readonly tokens: number;
  readonly agreement: number;
  /** KL(full || way), in nats a token. */
  readonly divergence: number;
  readonly positions: readonly (BenchPosition & { readonly divergence: number })[];
}

/** What became of drafts. */
export interface BenchDrafts {
  readonly draftedTokens: number;
  readonly keptTokens: number;
  readonly checks: number;
}

/** One way, over all prompts. */
export interface BenchRow {
  readonly way: BenchWay;
  readonly speed: BenchSpeed;
  readonly written: WrittenAgreement;
  /** Absent where the data has no responses, and for the ways of which it is not defined: those that check drafts. */
  readonly given?: GivenFigures;
  /** Of the ways that check drafts. */
  readonly drafts?: BenchDrafts;
  readonly memory: RowMemory;
}

/** The prompts of about one length. */
export interface BenchLength {
  /** Tokens of the shortest and of the longest. */
  readonly from: number;
  readonly to: number;
  readonly prompts: number;
  /** In the order of {@link BenchReport.rows}. */
  readonly speeds: readonly BenchSpeed[];
}

/** Answer of {@link bench}. */
export interface BenchReport {
  readonly prefill: EvaluatedModel;
  readonly decode: EvaluatedModel;
  readonly handover: "share" | "translate";
  readonly contextSize: number;
  /** Where the prompts come from: the path of the data. Absent: they were given, or made. */
  readonly data?: string;
  readonly prompts: number;
  readonly promptTokens: number;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly rounds: number;
  readonly badLines: readonly BadLine[];
  /** The full model alone, the small one alone, fast, with refreshes, with acceptances from low to high, exact. */
  readonly rows: readonly BenchRow[];
  /** Ascending. */
  readonly lengths: readonly BenchLength[];
  /** Of the process, when all was loaded and had answered: the decode model is in memory twice then, to be measured alone. */
  readonly residentBytes: number;
  readonly threads: number;
  readonly gpu: "cuda" | "metal" | "vulkan" | false;
  readonly ms: number;
}
