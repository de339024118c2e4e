/** What an evaluation answers: plain read-only objects that JSON can hold. */

import type { AdapterInfo } from "../engine/index.js";
import type { BadLine } from "../internal/bad-line.js";
import type { Estimate } from "./bootstrap.js";
import type { EvaluationTask } from "./data/tasks.js";
import type { MetricName } from "./metrics/metric.js";
import type { EvaluatedRow } from "./rows.js";

/** Figures by name; one that has no value for this data is absent. */
export type Figures = Readonly<Partial<Record<MetricName, Estimate>>>;

/** How near a row is to the full model at some positions of the responses. */
export interface PositionFigures {
  /** The first position, from 0. */
  readonly from: number;
  /** The last one. */
  readonly to: number;
  /** Tokens of all responses that stand there. */
  readonly tokens: number;
  /** Share of tokens at which the likeliest one is the full model's. */
  readonly agreement: Estimate;
  /** KL(full || row), in nats. */
  readonly divergence: Estimate;
}

/** How fast a row reads and writes, measured while it answered prompts of the data. */
export interface RowSpeed {
  readonly promptTokens: number;
  readonly prefillTokensPerSecond: number;
  /** Tokens of answers after the first one, which reading the prompt gives. */
  readonly writtenTokens: number;
  /** Written tokens per second; where there are refreshes, their time counts. */
  readonly decodeTokensPerSecond: number;
}

/** What a row needs to be loaded. */
export interface RowMemory {
  readonly weightBytes: number;
  /** KV caches of one session of `contextSize` tokens. */
  readonly kvBytes: number;
}

/** One way of inference. */
export interface RowReport {
  readonly row: EvaluatedRow;
  readonly figures: Figures;
  /** Task `"responses"`: by the position in the response. */
  readonly positions?: readonly PositionFigures[];
  /** Absent: nothing was timed. */
  readonly speed?: RowSpeed;
  readonly memory: RowMemory;
}

/** Two rows on the same examples: intervals are those of the paired difference. */
export interface RowComparison {
  readonly row: EvaluatedRow;
  readonly against: "prefill" | "decode";
  /** The row's figure less the other's. */
  readonly differences: Figures;
  /**
   * The paper's relative improvement over the decode model alone: (row - decode) / decode, for figures of which more is
   * better. Absent where the decode model alone has 0.
   */
  readonly improvements?: Figures;
}

/** One of the models. */
export interface EvaluatedModel {
  readonly path: string;
  /** `general.name`, may be empty. */
  readonly name: string;
  readonly parameters: number;
  readonly sizeBytes: number;
  /** Absent where there are none. */
  readonly adapters?: readonly AdapterInfo[];
}

/** Answer of {@link evaluate}. */
export interface EvaluationReport {
  readonly task: EvaluationTask;
  readonly data: string;
  readonly prefill: EvaluatedModel;
  /** Absent: a pair of one. */
  readonly decode?: EvaluatedModel;
  readonly handover: "share" | "translate";
  /** Tokens per session. */
  readonly contextSize: number;
  /** What intervals are drawn from: responses, windows of a text, questions. */
  readonly examples: number;
  /** Tokens of all prompts. */
  readonly promptTokens: number;
  /** Tokens that every row was asked for: of responses or of choices. 0 where answers were generated. */
  readonly scoredTokens: number;
  readonly badLines: readonly BadLine[];
  /** In their order: prefill, decode, two-stage, refreshes. */
  readonly rows: readonly RowReport[];
  /** Two-stage and each refresh, against decode alone and against prefill alone. */
  readonly comparisons: readonly RowComparison[];
  readonly confidence: number;
  readonly resamples: number;
  readonly seed: number;
  readonly threads: number;
  readonly gpu: "cuda" | "metal" | "vulkan" | false;
  readonly ms: number;
}

/** One row's result on one example. */
export type ExampleResult =
  | {
      readonly task: "responses";
      readonly line: number;
      readonly row: EvaluatedRow;
      readonly tokens: number;
      /** Sum of natural logarithms. */
      readonly logProb: number;
      /** Share of tokens at which the likeliest one is the full model's. */
      readonly agreement: number;
      /** Mean of KL(full || row), in nats. */
      readonly divergence: number;
    }
  | {
      readonly task: "choices";
      readonly line: number;
      readonly row: EvaluatedRow;
      /** Natural logarithm of each choice's likelihood. */
      readonly logProbs: readonly number[];
      readonly right: readonly number[];
    }
  | {
      readonly task: "generate";
      readonly line: number;
      readonly row: EvaluatedRow;
      readonly text: string;
      readonly references: readonly string[];
    };
