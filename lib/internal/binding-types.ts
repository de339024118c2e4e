/**
 * The typed contract between the facade and the native addon (`native/binding`). Every value that crosses is listed
 * here; the addon checks nothing that the facade has checked already, except what would make llama.cpp abort.
 *
 * Failures are made by `createError` (given to `initialize`), so that native code throws and rejects with the package's
 * own classes. A stage that was aborted rejects with the code `ERR_ABORTED`; the facade replaces it by the signal's
 * reason.
 */

import type { NativeChatPair } from "./binding-chat.js";
import type { NativeFit, NativeFitOptions, NativeTranslator } from "./binding-fit.js";
import type {
  NativeArchitecture,
  NativeImportance,
  NativeImportanceOptions,
  NativePadOptions,
  NativePadResult,
  NativePruneOptions,
  NativePruneProgress,
  NativePruneResult,
} from "./binding-prune.js";
import type {
  NativeHealListener,
  NativeHealOptions,
  NativeHealResult,
  NativeNewModelOptions,
  NativeNewModelResult,
} from "./binding-train.js";

export type * from "./binding-chat.js";
export type * from "./binding-fit.js";
export type * from "./binding-prune.js";
export type * from "./binding-train.js";

export interface NativeBinding {
  readonly llamaVersionBuilt: string;
  readonly llamaVersionLoaded: string;
  /** "source": llama.cpp is linked into the addon. */
  readonly llamaOrigin: "prebuilt" | "source";

  /** Once per environment, before everything else. Throws the codes of the version gate and of the CPU back end. */
  initialize(options: {
    /** Folder with the ggml back ends; "" when they are linked in. */
    readonly backendDirectory: string;
    /** Folder of the addon, where the CUDA translation library may be too. */
    readonly addonDirectory: string;
    readonly createError: (
      code: string,
      message: string,
      details: Readonly<Record<string, string | number | boolean>>,
    ) => Error;
  }): void;
  /**
   * The process begins to end: stops and joins the threads of this environment. What runs fails with ERR_DISPOSED or
   * ERR_ABORTED, and nothing new begins.
   */
  endThreads(): void;
  /**
   * Calls `onLine` with each line that llama.cpp logs while it works for this package, in any environment, from `level`
   * on: the index in debug, info, warn, error.
   */
  listenToLog(level: number, onLine: (level: NativeLogLevel, line: string) => void): NativeLog;
  /** Loads a GPU back end's library. False: no driver or no device. Throws ERR_GPU_UNAVAILABLE. */
  loadGpuBackend(path: string): boolean;
  devices(): NativeDevice[];
  cpuFeatures(): string;

  /** Reads structure and metadata only. */
  inspect(options: NativeInspectOptions): NativeJob<NativeInspection>;
  /** Reads the whole file; undefined if it is not a translator. */
  inspectTranslator(path: string): NativeJob<NativeTranslator | undefined>;
  /**
   * Begins to fit a translator on a thread of its own. `stage` is the index in loading, reading, solving, measuring;
   * `fraction` is of the stage.
   */
  fit(options: NativeFitOptions, onProgress: (stage: number, fraction: number, tokens: number) => void): NativeFit;
  /**
   * Begins to prune, to measure importance or to pad, each on a thread of its own. `stage` is the index in loading,
   * calibrating, writing, measuring; `fraction` is of the stage.
   */
  prune(options: NativePruneOptions, onProgress: NativePruneProgress): NativeJob<NativePruneResult>;
  measureImportance(options: NativeImportanceOptions, onProgress: NativePruneProgress): NativeJob<NativeImportance>;
  pad(options: NativePadOptions, onProgress: NativePruneProgress): NativeJob<NativePadResult>;
  /** Reads the whole file; undefined if it is not an importance file. */
  inspectImportance(path: string): NativeJob<NativeImportance | undefined>;
  /** The rows of the architecture table. */
  prunableArchitectures(): NativeArchitecture[];
  /** Begins to train on a thread of its own. */
  heal(options: NativeHealOptions, listener: NativeHealListener): NativeJob<NativeHealResult>;
  /** Rejects with ERR_FILE_WRITE_FAILED for a place that no text can be written to. Leaves it as it is. */
  checkTextOutput(path: string): NativeJob<undefined>;
  /** Writes a text whole or not at all, or into a device or a pipe. */
  writeText(path: string, text: string): NativeJob<undefined>;
  /** Writes a model with random weights. */
  createModel(options: NativeNewModelOptions): NativeJob<NativeNewModelResult>;
  /** Begins to load on the new pair's own thread. */
  loadPair(options: NativePairOptions, onProgress: (fraction: number) => void): NativePair;
}

export type NativeLogLevel = "debug" | "info" | "warn" | "error";

export interface NativeLog {
  /** Ends the calls. Idempotent. */
  stop(): void;
}

export interface NativeDevice {
  readonly name: string;
  readonly description: string;
  readonly kind: "cpu" | "gpu" | "igpu" | "accel";
  readonly backend: string;
  readonly memoryFreeBytes: number;
  readonly memoryTotalBytes: number;
}

export interface NativeModelOptions {
  readonly path: string;
  /** Negative: all. */
  readonly gpuLayers: number;
  readonly mmap: boolean;
}

export interface NativeInspectOptions {
  readonly prefill: NativeModelOptions;
  readonly decode: NativeModelOptions | undefined;
  readonly cacheTypeK: string;
  readonly cacheTypeV: string;
  readonly flashAttention: "auto" | "on" | "off";
  /** The decode model's own cache; "": as the prefill model's. */
  readonly decodeCacheTypeK: string;
  readonly decodeCacheTypeV: string;
  readonly decodeFlashAttention: "" | "auto" | "on" | "off";
  /** At most one of these three is neither "" nor empty. */
  readonly translatorPath: string;
  readonly layers: readonly number[];
  readonly layerRule: "" | "first" | "last" | "firstlast" | "spaced";
}

export interface NativePairOptions extends NativeInspectOptions {
  /** 0: the default. */
  readonly contextSize: number;
  readonly maxSessions: number;
  readonly batchSize: number;
  readonly threads: number;
  readonly handover: "auto" | "share" | "translate";
  readonly implementation: "auto" | "cpu" | "graph" | "cuda" | "metal";
}

export interface NativeModelInfo {
  readonly architecture: string;
  readonly name: string;
  readonly description: string;
  readonly parameters: number;
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
  readonly slidingWindow: number;
  readonly ropeBase: number;
  readonly ropeScaling: string;
}

export interface NativePlanReason {
  readonly field: string;
  readonly prefill: string;
  readonly decode: string;
  readonly leadsTo: "translate" | "impossible";
  readonly message: string;
  readonly served: boolean;
}

export interface NativePlan {
  readonly kind: "share" | "translate" | "impossible";
  readonly available: boolean;
  readonly oneModel: boolean;
  readonly reasons: NativePlanReason[];
  readonly notes: string[];
  readonly layerMap: number[];
}

export interface NativeInspection {
  readonly prefill: NativeModelInfo;
  readonly decode: NativeModelInfo;
  readonly plan: NativePlan;
  readonly kvBytesPerToken: number;
}

export interface NativePairInfo extends NativeInspection {
  readonly contextSize: number;
  readonly maxSessions: number;
  readonly batchSize: number;
  readonly threads: number;
  readonly kvBytes: number;
  readonly flashAttention: boolean;
  readonly loadMs: number;
}

export interface NativePair extends NativeChatPair {
  /** Settles when the load has ended. */
  readonly loaded: Promise<NativePairInfo>;
  abortLoad(): void;
  tokenize(text: string, addSpecial: boolean, parseSpecial: boolean): Int32Array;
  detokenize(tokens: Int32Array, special: boolean): string;
  /** A line of a data file, as training reads it. */
  encode(line: string, closeResponse: boolean): { readonly prompt: Int32Array; readonly response: Int32Array };
  /** The same three on a thread for texts. */
  tokenizeLater(text: string, addSpecial: boolean, parseSpecial: boolean): Promise<Int32Array>;
  detokenizeLater(tokens: Int32Array, special: boolean): Promise<string>;
  encodeLater(
    line: string,
    closeResponse: boolean,
  ): Promise<{ readonly prompt: Int32Array; readonly response: Int32Array }>;
  createSession(): NativeSession;
  /** Resolves when everything is freed. Idempotent. */
  dispose(): Promise<void>;
}

export interface NativePrefillOptions {
  readonly refresh: boolean;
  readonly parseSpecial: boolean;
  /** The prompt is all that the session is to hold; what it has in common with it stays. */
  readonly replace: boolean;
}

export interface NativePrefillResult {
  readonly promptTokens: number;
  readonly keptTokens: number;
  readonly refreshedTokens: number;
  readonly contextTokens: number;
  readonly ms: number;
}

export interface NativeHandoverReport {
  readonly kind: "share" | "translate";
  readonly implementation: "share" | "cpu" | "graph" | "cuda" | "metal";
  readonly reason: string;
  readonly bytes: number;
  readonly tokens: number;
  readonly ms: number;
}

/** What wakes a lazy grammar, as in llama.cpp's `common_grammar_trigger`. */
export interface NativeGrammarTrigger {
  /** A token; a text wherever it stands; a regular expression; one that the whole answer has to match. */
  readonly type: "token" | "word" | "pattern" | "pattern-full";
  readonly value: string;
  /** For the type `token`. @default the token that `value` is the text of */
  readonly token?: number;
}

/** How long an answer may reason. Tags are texts; that of a control token stands for it. */
export interface NativeReasoningBudget {
  /** Tokens; 0 ends reasoning where it begins, a negative number never. */
  readonly tokens: number;
  readonly startTags: readonly string[];
  /** The first is what comes when the budget is spent. */
  readonly endTags: readonly string[];
  /** Comes before that tag. @default "" */
  readonly message?: string;
  /** The prompt ends within reasoning. */
  readonly inside: boolean;
}

export interface NativeDecodeOptions {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly typicalP: number;
  readonly repeatPenalty: number;
  readonly presencePenalty: number;
  readonly frequencyPenalty: number;
  readonly repeatLastN: number;
  readonly dryMultiplier: number;
  readonly dryBase: number;
  readonly dryAllowedLength: number;
  readonly dryPenaltyLastN: number;
  readonly drySequenceBreakers: readonly string[];
  readonly xtcProbability: number;
  readonly xtcThreshold: number;
  readonly topNSigma: number;
  readonly dynatempRange: number;
  readonly dynatempExponent: number;
  readonly mirostat: number;
  readonly mirostatTau: number;
  readonly mirostatEta: number;
  /** Empty: llama.cpp's. */
  readonly samplers: readonly string[];
  /** Negative: choose one. */
  readonly seed: number;
  readonly ignoreEos: boolean;
  readonly logitBiasTokens: Int32Array;
  readonly logitBiasValues: Float32Array;
  readonly grammar: string;
  /** The grammar sleeps until one of the triggers comes, and follows the answer from there. @default false */
  readonly grammarLazy?: boolean;
  readonly grammarTriggers?: readonly NativeGrammarTrigger[];
  /**
   * The end of the prompt that the grammar, if it is not lazy, and the budget for reasoning see as the answer's beginning.
   * @default ""
   */
  readonly generationPrompt?: string;
  /** With it, a lazy grammar does not read the reasoning; it gets the tag that ends it. */
  readonly reasoningBudget?: NativeReasoningBudget;
  /** Negative: none. */
  readonly logProbs: number;
  /** 0: no limit. */
  readonly maxTokens: number;
  readonly stop: readonly string[];
  readonly special: boolean;
  /** The texts of control tokens that appear even so, the end token included. What is not a token says nothing. */
  readonly preservedTokens?: readonly string[];
  /** 0: no refreshes. */
  readonly refreshInterval: number;
}

export interface NativeDecodeResult {
  readonly reason: "eos" | "stop" | "length" | "abort" | "context";
  readonly stop: string;
  readonly tokens: number;
  readonly decodeSteps: number;
  readonly refreshes: number;
  readonly refreshedTokens: number;
  readonly seed: number;
  readonly ms: number;
  /** Part of `ms`. */
  readonly refreshMs: number;
}

export interface NativeReading {
  readonly text: string;
  readonly tokens: Int32Array;
  /** Per token: token id and log-probability alternating, the token's own pair first. Absent if not asked for. */
  readonly logProbs?: Float64Array[];
  /** Set at the end of the answer. */
  readonly result?: NativeDecodeResult;
}

export interface NativeSessionStats {
  readonly stage: "empty" | "prefilled" | "switched" | "paused" | "ended" | "interrupted";
  readonly contextTokens: number;
  readonly contextSize: number;
  readonly prefillTokens: number;
  readonly refreshedTokens: number;
  readonly decodeTokens: number;
  readonly decodeSteps: number;
  readonly prefillMs: number;
  readonly switchMs: number;
  readonly decodeMs: number;
}

export interface NativeSession {
  prefill(
    prompt: string | Int32Array,
    options: NativePrefillOptions,
    onProgress: ((done: number, total: number) => void) | undefined,
  ): Promise<NativePrefillResult>;
  handOver(): Promise<NativeHandoverReport>;
  /** Starts an answer. Throws at once if the session is busy or disposed. */
  decode(options: NativeDecodeOptions): NativeStream;
  /**
   * Takes the last tokens of the answer back, so that the session stands where the reader stopped. `tokens` is at most
   * the number that the answer had.
   */
  retract(tokens: number): Promise<void>;
  /**
   * Only on a session that has read nothing; it stays so. `rows`: two values each, the reader (0 prefill, 1 decode, 2
   * two-stage) and the refresh interval (0: none).
   */
  score(
    prompt: string | Int32Array,
    responses: readonly (string | Int32Array)[],
    rows: Int32Array,
    parseSpecial: boolean,
  ): Promise<NativeScores>;
  /** Ends the stage that runs, if one does. */
  abort(): void;
  stats(): NativeSessionStats;
  /** Resolves when the session's place is free. Idempotent. */
  dispose(): Promise<void>;
}

export interface NativeScores {
  readonly promptTokens: number;
  readonly responses: {
    readonly tokens: Int32Array;
    readonly rows: {
      readonly logProbs: Float64Array;
      readonly agree: Uint8Array;
      readonly divergence: Float64Array;
    }[];
  }[];
}

export interface NativeStream {
  /**
   * Takes all that is there. While there is nothing, returns a promise; one read at a time.
   * Throws or rejects with the failure that ended the answer.
   */
  read(): NativeReading | Promise<NativeReading>;
}

/** Work on a thread of its own. */
export interface NativeJob<Result> {
  /** Settles when the work is done or has failed. */
  readonly finished: Promise<Result>;
  abort(): void;
}
