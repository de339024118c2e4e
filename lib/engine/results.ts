/** What the calls answer: plain read-only objects. Times are wall-clock milliseconds. */

import type { VerificationResult } from "./quality-options.js";

/** A LoRA adapter that a model is used with. */
export interface AdapterInfo {
  readonly path: string;
  readonly scale: number;
  /** The largest of its tensors. */
  readonly rank: number;
  /** The file's own; 0 for none. A weight changes by `scale * alpha / rank` times the adapter's product, without it by `scale` times. */
  readonly alpha: number;
}

/** Facts about one GGUF model. */
export interface ModelInfo {
  readonly architecture: string;
  /** `general.name`, may be empty. */
  readonly name: string;
  readonly description: string;
  readonly parameters: number;
  /** Bytes of the weights. */
  readonly sizeBytes: number;
  readonly trainedContextSize: number;
  readonly hiddenSize: number;
  readonly feedForwardSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSizeK: number;
  readonly headSizeV: number;
  readonly vocabularySize: number;
  /** Tokens; 0 for none. */
  readonly slidingWindow: number;
  readonly ropeBase: number;
  readonly ropeScaling: string;
  /** What it keeps of the tokens it has read, such as `KV cache`, `recurrent state` or `latent KV cache (MLA)`. */
  readonly memory: string;
  /**
   * Bytes of a session's recurrent state, which does not grow with the tokens; 0 without one. Counted twice, since a
   * session keeps a second one to go back to.
   */
  readonly stateBytesPerSession: number;
  /** As the options name them; their parameters and bytes are not counted above. */
  readonly adapters: readonly AdapterInfo[];
}

/** One field in which the two models or their caches differ, and what that leads to. */
export interface PlanReason {
  readonly field: string;
  readonly prefill: string;
  readonly decode: string;
  readonly leadsTo: "translate" | "impossible";
  readonly message: string;
  /** Whether the handover deals with it. `false`: only a translator could, and none was given. */
  readonly served: boolean;
}

/** How the decode model can go on from the prefill model's KV cache. */
export interface HandoverPlan {
  readonly kind: "share" | "translate" | "impossible";
  /** Whether the plan can be carried out as things are; `false` where a translator is missing. */
  readonly available: boolean;
  /** The two models are one file with the same adapters in one cache: ordinary inference. */
  readonly oneModel: boolean;
  /** The two models are one file on the same devices, whose weights are in memory once; adapters or caches may differ. */
  readonly oneFile: boolean;
  /** Empty if the caches are alike. */
  readonly reasons: readonly PlanReason[];
  /** Differences that do not prevent the handover. */
  readonly notes: readonly string[];
  /** The prefill model's layer whose cache each of the decode model's layers reads; empty: the one of the same index. */
  readonly layerMap: readonly number[];
}

/** Answer of {@link inspect}. */
export interface PairInspection {
  readonly prefill: ModelInfo;
  readonly decode: ModelInfo;
  readonly plan: HandoverPlan;
  /** Bytes that one token takes in the prefill model's cache: of K and V, and of an indexer's keys. */
  readonly kvBytesPerToken: number;
}

/** A decode model of a loaded pair. */
export interface WriterInfo {
  readonly model: ModelInfo;
  readonly plan: HandoverPlan;
  /**
   * It can write while the prefill model reads: its layers lie on other devices, and it has a cache of its own. Prompts are
   * then read in whole micro-batches beside its answers, whatever the `prefillShare`.
   */
  readonly runsApart: boolean;
}

/** Which matrix kernels a pair uses on the processor, and why. */
export interface KernelUse {
  /** The instructions of the package's own kernels, such as "avx512-vnni"; `false`: ggml's own kernels are used. */
  readonly instructions: string | false;
  readonly reason: string;
  /**
   * By type of weights, as in `"q8_0"`: how many times as fast as ggml's the package's kernels were when they were tried, a
   * thread each, with one column (a token), a few (a batch of tokens) and many (a prompt).
   */
  readonly speedUps: Readonly<Record<string, { readonly one: number; readonly few: number; readonly many: number }>>;
}

/** A loaded pair. `decode` and `plan` are those of its first decode model. */
export interface PairInfo extends PairInspection {
  /** The decode models by their names; a single one without a name is `decode`. */
  readonly writers: Readonly<Record<string, WriterInfo>>;
  /** Tokens per session, as allocated. */
  readonly contextSize: number;
  /** Tokens of all sessions together, as allocated. */
  readonly cacheTokens: number;
  readonly maxSessions: number;
  readonly batchSize: number;
  readonly threads: number;
  /** Bytes of all KV caches and states: one memory, and a cache more for each decode model that does not share it. */
  readonly kvBytes: number;
  /** At most so many bytes of what was read are kept ({@link LoadPairOptions.prefixCache}); 0: nothing is. */
  readonly prefixCacheBytes: number;
  readonly flashAttention: boolean;
  /** What multiplies weights on the processor. */
  readonly kernels: KernelUse;
  /** The GPU back end in use, or `false`. */
  readonly gpu: "cuda" | "metal" | "vulkan" | false;
  readonly loadMs: number;
}

/** Answer of {@link Session.prefill}. */
export interface PrefillResult {
  /** New tokens of this prompt. */
  readonly promptTokens: number;
  /** With {@link PrefillOptions.replace}: the prompt's first tokens that the session held already, refreshed ones included. */
  readonly keptTokens: number;
  /** Tokens of earlier answers that the prefill model read again. */
  readonly refreshedTokens: number;
  /**
   * How many of the `promptTokens` and `refreshedTokens` were not read, but taken over from the prefix cache. The last token of
   * a prompt is always read.
   */
  readonly cachedTokens: number;
  /** Tokens in the session now. */
  readonly contextTokens: number;
  readonly ms: number;
  /** Tokens read a second; those taken over do not count. */
  readonly tokensPerSecond: number;
}

/** Answer of {@link Session.switch}: what ran, why, and what it moved. */
export interface HandoverReport {
  /** The name of the model that is to write. */
  readonly writer: string;
  readonly kind: "share" | "translate";
  /** What ran: nothing at all (`share`), threads (`cpu`), a ggml graph, or a fused kernel (`cuda`, `metal`). */
  readonly implementation: "share" | "cpu" | "graph" | "cuda" | "metal";
  /** Why the pair is handed over this way, and why this implementation ran. */
  readonly reason: string;
  /** Tokens handed over. */
  readonly tokens: number;
  /**
   * Bytes written to the decode model's cache, those included that the prefill has handed over already
   * ({@link RemotePlace.devices}); 0 when shared. Tokens it has from an earlier turn are not moved again.
   */
  readonly bytes: number;
  /** Of the switch alone. */
  readonly ms: number;
  /** Of all of `bytes`, in the time that moving them took. */
  readonly gigabytesPerSecond: number;
}

/**
 * Why an answer ended: `eos` the model ended it or its grammar is complete, `stop` a stop string came, `length` maxTokens was reached, `context` the
 * context is full, `abort` the reader stopped it.
 */
export type FinishReason = "eos" | "stop" | "length" | "context" | "abort";

/** The end of an answer. */
export interface DecodeResult {
  readonly reason: FinishReason;
  /** The stop string found, with reason `stop`. */
  readonly stop?: string;
  /** The name of the model that wrote, or drafted. */
  readonly writer: string;
  /** Tokens of the answer, the prefill model's first one included. */
  readonly tokens: number;
  /** Tokens that the writer read; with `verification`, those that it read to draft. */
  readonly decodeSteps: number;
  /**
   * How often the prefill model read again what had been written: {@link DecodeOptions.refreshInterval},
   * {@link QualityOptions.refreshBudget}.
   */
  readonly refreshes: number;
  /** Tokens that it read then, those of a refresh that was cut short included. */
  readonly refreshedTokens: number;
  readonly seed: number;
  /** Time spent on this answer, refreshes included; waiting for the reader is not counted. */
  readonly ms: number;
  /** What the refreshes took of it. */
  readonly refreshMs: number;
  /** That in shares of the time that the rest of the answer took: what a {@link QualityOptions.refreshBudget} bounds. */
  readonly refreshShare: number;
  /** With a {@link QualityOptions.quality} other than `"fast"`. */
  readonly verification?: VerificationResult;
  /** Decode steps per second, refreshes not counted; with `verification`, tokens of the answer. */
  readonly tokensPerSecond: number;
}

/** An answer of {@link Session.generate}. */
export interface GeneratedAnswer {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly decode: DecodeResult;
}

/** Answer of {@link Session.generate}. */
export interface GenerateResult extends GeneratedAnswer {
  readonly prefill: PrefillResult;
  readonly handover: HandoverReport;
  /** All answers ({@link GenerateOptions.n}). The first is the one that the session goes on with, and that is given above. */
  readonly answers: readonly GeneratedAnswer[];
}

/**
 * The state of a session. `paused`: an answer was cut short and can go on; `interrupted`: a prefill has to come
 * next, because one was aborted or the text before an answer was truncated.
 */
export type SessionStage = "empty" | "prefilled" | "switched" | "paused" | "ended" | "interrupted";

/** Answer of {@link Session.stats}: totals since the session began. */
export interface SessionStats {
  readonly stage: SessionStage;
  readonly contextTokens: number;
  readonly contextSize: number;
  /** Tokens read by the prefill model, refreshes included, but not the answers that it wrote itself. */
  readonly prefillTokens: number;
  readonly refreshedTokens: number;
  /** Tokens that were taken over from the prefix cache instead of being read. */
  readonly cachedTokens: number;
  /** Tokens generated. */
  readonly decodeTokens: number;
  /** Tokens read by who wrote. */
  readonly decodeSteps: number;
  /** Refreshes within an answer included, here and in `switchMs`; `decodeMs` leaves them out. */
  readonly prefillMs: number;
  readonly switchMs: number;
  readonly decodeMs: number;
  /**
   * Tokens that were read once more, by the model that had read them, because a recurrent state cannot be cut at a token
   * and had to go back further than was asked for. Always 0 for a model with a KV cache alone.
   */
  readonly restoredTokens: number;
  /** What that took; part of `prefillMs` and `decodeMs`. */
  readonly restoreMs: number;
}

/**
 * How often values of which size came, with fixed bounds as in Prometheus. `counts` has one entry more than `bounds`: the first
 * `bounds.length` count the values up to that bound and above the one before, the last those above all bounds. They are not
 * cumulative; Prometheus wants them summed up.
 */
export interface Histogram {
  /** Ascending. A value that is equal to a bound counts with it. */
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  /** Of all values; may be one value ahead of `counts` or behind while the pair is at work. */
  readonly sum: number;
  /** Of all values: what `counts` add up to. */
  readonly count: number;
}

/** The engine thread's tasks at one moment: the stages of sessions, the load, and what frees a session. */
export interface EngineTasks {
  /**
   * In the step that the engine is at: one, or the sessions whose next tokens are computed in one batch; and where models run
   * apart ({@link WriterInfo.runsApart}), the one whose prompt is being read beside them.
   */
  readonly running: number;
  /** Waiting for their turn: the queue's depth. A stage that is under way waits here between its steps. */
  readonly ready: number;
  /** Answers that are so far ahead of their reader that they wait for it, and in a full pool what waits for room. */
  readonly waitingForReader: number;
}

/** What is kept in memory, and in the `directory` of {@link PrefixCacheOptions}. */
export interface PrefixCacheMetrics {
  readonly bytes: number;
  readonly blocks: number;
  readonly cachedTokens: number;
  /** All zeros where there is none. */
  readonly directory: {
    /** Of all files there, those of other processes as well, as they were when this pair last looked. */
    readonly bytes: number;
    readonly blocks: number;
    /** Blocks that this pair has read there, and written. */
    readonly read: number;
    readonly written: number;
    /** Files that could not be written, for a full disk say, and damaged ones, which were removed. */
    readonly failures: number;
  };
}

/** Answer of {@link Pair.metrics}: totals since the pair was loaded, and what is going on now. */
export interface PairMetrics {
  /** Open now. */
  readonly sessions: number;
  /** Calls that wait for a session's place now. */
  readonly waiting: number;
  /** With `cacheTokens`: sessions whose state is out of the full cache now, and how often one's was put aside since the load. */
  readonly putAside: { readonly sessions: number; readonly times: number };
  /** What is kept of what was read, and how many tokens were taken over from it since the load. */
  readonly prefixCache: PrefixCacheMetrics;
  /**
   * Tokens that the prefill model has read, refreshes, what was restored and answers that it wrote itself included, and in
   * how many batches.
   */
  readonly prefillTokens: number;
  readonly prefillBatches: number;
  /** Tokens that all decode models have read, and in how many batches: one a token, or fewer where several sessions wrote. */
  readonly decodeTokens: number;
  readonly decodeBatches: number;
  /** Turns that answers had, a token in each, while the prefill model was computing on other devices ({@link WriterInfo.runsApart}). */
  readonly turnsBesidePrefill: number;
  /** Now. */
  readonly tasks: EngineTasks;
  /**
   * Milliseconds from the call of the last prefill before an answer to the answer's first token: waiting for its turn, the
   * switch, and what the caller did between the calls are included. An answer that goes on after it was cut short has none.
   */
  readonly timeToFirstTokenMs: Histogram;
  /**
   * Milliseconds from one token of an answer to its next, refreshes and other sessions' turns included. Not counted is a time
   * in which the answer waited for its reader (see {@link EngineTasks.waitingForReader}), and one between two calls of `decode`.
   * A token counts when it is chosen, also where its text is held back for a stop string or an unfinished character.
   */
  readonly timeBetweenTokensMs: Histogram;
  /** Tokens in each batch that the decode model has read: the sessions that wrote together; scores read more of one at once. */
  readonly decodeBatchSizes: Histogram;
}

/** Units per second; 0 where no time has passed. */
export function perSecond(count: number, ms: number): number {
  return ms > 0 ? (count * 1000) / ms : 0;
}
