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
  NativeMatrixOptions,
  NativeMatrixResult,
  NativeQuantizeOptions,
  NativeQuantizeResult,
} from "./binding-quantize.js";
import type { NativeSession } from "./binding-session.js";
import type {
  NativeHealEstimate,
  NativeHealListener,
  NativeHealOptions,
  NativeHealResult,
  NativeNewModelOptions,
  NativeNewModelResult,
} from "./binding-train.js";

export type * from "./binding-chat.js";
export type * from "./binding-fit.js";
export type * from "./binding-prune.js";
export type * from "./binding-quantize.js";
export type * from "./binding-session.js";
export type * from "./binding-train.js";

/** Opaque. */
export type NativeFileLock = object;

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
  /** From now on this process ends by force when `parent`, its parent's number, has ended. Once in a process. */
  endWithParent(parent: number): void;
  /**
   * Calls `onLine` with each line that llama.cpp logs while it works for this package, in any environment, from `level`
   * on: the index in debug, info, warn, error.
   */
  listenToLog(level: number, onLine: (level: NativeLogLevel, line: string) => void): NativeLog;
  /** Loads a GPU back end's library. False: no driver or no device. Throws ERR_GPU_UNAVAILABLE. */
  loadGpuBackend(path: string): boolean;
  /**
   * Serves this machine's devices on this thread until the process ends. Throws ERR_BINDING_LOAD_FAILED or
   * ERR_REMOTE_UNREACHABLE where it cannot begin. `cacheDirectory`: "" for none.
   */
  serveRpc(options: {
    readonly endpoint: string;
    readonly cacheDirectory: string;
    readonly threads: number;
    readonly useGpu: boolean;
  }): never;
  devices(): NativeDevice[];
  cpuFeatures(): string;
  /** Tries the kernels on the commonest types of weights, once in a process: a tenth of a second. */
  tryKernels(): NativeKernels;

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
  /** Begins to quantise, or to measure what to quantise by. Threads and stages are those of the three above. */
  quantize(options: NativeQuantizeOptions, onProgress: NativePruneProgress): NativeJob<NativeQuantizeResult>;
  measureImportanceMatrix(options: NativeMatrixOptions, onProgress: NativePruneProgress): NativeJob<NativeMatrixResult>;
  /** Reads the whole file; undefined if it is not an importance file. */
  inspectImportance(path: string): NativeJob<NativeImportance | undefined>;
  /** The rows of the architecture table. */
  prunableArchitectures(): NativeArchitecture[];
  /** Begins to train on a thread of its own. */
  heal(options: NativeHealOptions, listener: NativeHealListener): NativeJob<NativeHealResult>;
  /** Begins a step of it, to be measured. Writes nothing. */
  estimateHeal(options: NativeHealOptions, listener: NativeHealListener): NativeJob<NativeHealEstimate>;
  /** Rejects with ERR_FILE_WRITE_FAILED for a place that no text can be written to. Leaves it as it is. */
  checkTextOutput(path: string): NativeJob<undefined>;
  /** A lock of the system on a file that is there, or who stands against it: another one, or a system that does not say. */
  takeFileLock(path: string): NativeFileLock | "busy" | "unknown";
  /** What is never released goes with the process, or with the value. */
  releaseFileLock(lock: NativeFileLock): void;
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
  readonly kernels: boolean;
  /** Servers whose devices the layers lie on, each an IPv4 address with a port that somebody has talked to. */
  readonly remote?: readonly string[] | undefined;
  /** Each device's share of the layers. */
  readonly split?: Float32Array | undefined;
}

export interface NativeAdapterOptions {
  readonly path: string;
  readonly scale: number;
}

/** A model of a pair. */
export interface NativeSideOptions extends NativeModelOptions {
  readonly adapters: readonly NativeAdapterOptions[];
}

export interface NativeInspectOptions {
  readonly prefill: NativeSideOptions;
  /** The decode models; the first is the default. None: the prefill model writes. An inspection looks at one. */
  readonly writers: readonly NativeWriterOptions[];
  readonly cacheTypeK: string;
  readonly cacheTypeV: string;
  readonly flashAttention: "auto" | "on" | "off";
}

/** A decode model. */
export interface NativeWriterOptions {
  readonly name: string;
  readonly model: NativeSideOptions;
  /** Its own cache; "": as the prefill model's. */
  readonly cacheTypeK: string;
  readonly cacheTypeV: string;
  readonly flashAttention: "" | "auto" | "on" | "off";
  /** At most one of these three is neither "" nor empty. */
  readonly translatorPath: string;
  readonly layers: readonly number[];
  readonly layerRule: "" | "first" | "last" | "firstlast" | "spaced";
}

export interface NativePairOptions extends NativeInspectOptions {
  /** 0: the default. */
  readonly contextSize: number;
  /** 0: a stream of its own for each session. */
  readonly cacheTokens: number;
  readonly maxSessions: number;
  /** Calls for one more session that wait for a place. */
  readonly maxWaiting: number;
  readonly batchSize: number;
  readonly prefillShare: number;
  /** 0: nothing is kept; -1: a quarter of what is left of `availableBytes` beside the weights and the KV caches. */
  readonly prefixCacheBytes: number;
  readonly availableBytes: number;
  /** "": not on disk. */
  readonly prefixCacheDirectory: string;
  readonly prefixCacheDiskBytes: number;
  readonly threads: number;
  /** Who reads in the prefill model's place; "": nobody. */
  readonly readerElsewhere: string;
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
  readonly memory: string;
  readonly stateBytesPerSession: number;
  readonly adapters: NativeAdapterInfo[];
}

export interface NativeAdapterInfo extends NativeAdapterOptions {
  readonly rank: number;
  /** 0: none. */
  readonly alpha: number;
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
  readonly oneFile: boolean;
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
  readonly writers: {
    readonly name: string;
    readonly model: NativeModelInfo;
    readonly plan: NativePlan;
    readonly runsApart: boolean;
  }[];
  readonly contextSize: number;
  readonly cacheTokens: number;
  readonly maxSessions: number;
  readonly batchSize: number;
  readonly threads: number;
  readonly kvBytes: number;
  readonly prefixCacheBytes: number;
  readonly flashAttention: boolean;
  readonly kernels: NativeKernels;
  readonly loadMs: number;
}

/** What cells depend on, by names, and how large they are. */
export interface NativeCellFacts {
  readonly facts: Readonly<Record<string, string>>;
  /** Which model reads. */
  readonly reader: string;
  readonly bytesPerToken: number;
  readonly vocabularySize: number;
}

export interface NativeKernels {
  readonly instructions: string | false;
  readonly reason: string;
  readonly speedUps: Readonly<Record<string, { readonly one: number; readonly few: number; readonly many: number }>>;
}

export interface NativePairMetrics {
  readonly sessions: number;
  readonly waiting: number;
  readonly putAside: { readonly sessions: number; readonly times: number };
  readonly prefixCache: NativePrefixMetrics;
  readonly prefillTokens: number;
  readonly prefillBatches: number;
  readonly decodeTokens: number;
  readonly decodeBatches: number;
  readonly turnsBesidePrefill: number;
  readonly tasks: { readonly running: number; readonly ready: number; readonly waitingForReader: number };
  readonly timeToFirstTokenMs: NativeHistogram;
  readonly timeBetweenTokensMs: NativeHistogram;
  readonly decodeBatchSizes: NativeHistogram;
}

export interface NativePrefixMetrics {
  readonly bytes: number;
  readonly blocks: number;
  readonly cachedTokens: number;
  readonly directory: {
    readonly bytes: number;
    readonly blocks: number;
    readonly read: number;
    readonly written: number;
    readonly failures: number;
  };
}

/** `counts` has one more than `bounds`, for what is above the last; they are not cumulative. */
export interface NativeHistogram {
  readonly bounds: number[];
  readonly counts: number[];
  readonly sum: number;
  readonly count: number;
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
  metrics(): NativePairMetrics;
  /** Of the cells that a writer goes on from, from 1 on. Rejects with ERR_MODEL_UNSUPPORTED where there is more than K and V. */
  cellFacts(writer: number): Promise<NativeCellFacts>;
  /**
   * Gives a session as soon as there is a place for it. A call that waits keeps the process alive only if it `isBounded`:
   * if something else than a place ends it in time. The ticket of a call that does not wait is 0. Throws ERR_QUEUE_FULL or
   * ERR_DISPOSED; rejects with ERR_DISPOSED, ERR_ABORTED or ERR_OUT_OF_MEMORY. `writer`: who writes where nobody is named; 0
   * is the prefill model, from 1 on the decode models. `cacheKey`: whose prompts it may find again.
   */
  createSession(
    priority: number,
    isBounded: boolean,
    writer: number,
    cacheKey: string,
  ): { readonly session: Promise<NativeSession>; readonly ticket: number };
  /** The call rejects with ERR_ABORTED if it still waits. */
  leaveQueue(ticket: number): void;
  /** Resolves when everything is freed. Idempotent. */
  dispose(): Promise<void>;
}

/** Work on a thread of its own. */
export interface NativeJob<Result> {
  /** Settles when the work is done or has failed. */
  readonly finished: Promise<Result>;
  abort(): void;
}
