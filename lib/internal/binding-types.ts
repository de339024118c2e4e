/**
 * The typed contract between the facade and the native addon (`native/binding`). Every value that crosses is listed
 * here; the addon checks nothing that the facade has checked already, except what would make llama.cpp abort.
 *
 * Failures are made by `createError` (given to `initialize`), so that native code throws and rejects with the package's
 * own classes. A stage that was aborted rejects with the code `ERR_ABORTED`; the facade replaces it by the signal's
 * reason.
 */

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
    readonly createError: (code: string, message: string, details: Readonly<Record<string, string>>) => Error;
  }): void;
  /** Loads a GPU back end's library. False: no driver or no device. Throws ERR_GPU_UNAVAILABLE. */
  loadGpuBackend(path: string): boolean;
  devices(): NativeDevice[];
  cpuFeatures(): string;

  /** Reads structure and metadata only; on a pool thread. */
  inspect(options: NativeInspectOptions): Promise<NativeInspection>;
  /** Reads the whole file, on a pool thread; undefined if it is no translator. */
  inspectTranslator(path: string): Promise<NativeTranslator | undefined>;
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
  /** Reads the whole file, on a pool thread; undefined if it is no importance file. */
  inspectImportance(path: string): Promise<NativeImportance | undefined>;
  /** The rows of the architecture table. */
  prunableArchitectures(): NativeArchitecture[];
  /** Begins to train on a thread of its own. */
  heal(options: NativeHealOptions, events: NativeHealEvents): NativeJob<NativeHealResult>;
  /** Writes a model with random weights, on a pool thread. */
  createModel(options: NativeNewModelOptions): Promise<NativeNewModelResult>;
  /** Begins to load on the new pair's own thread. */
  loadPair(options: NativePairOptions, onProgress: (fraction: number) => void): NativePair;
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

export interface NativePair {
  /** Settles when the load has ended. */
  readonly loaded: Promise<NativePairInfo>;
  abortLoad(): void;
  tokenize(text: string, addSpecial: boolean, parseSpecial: boolean): Int32Array;
  detokenize(tokens: Int32Array, special: boolean): string;
  createSession(): NativeSession;
  /** Resolves when everything is freed. Idempotent. */
  dispose(): Promise<void>;
}

export interface NativePrefillOptions {
  readonly refresh: boolean;
  readonly parseSpecial: boolean;
}

export interface NativePrefillResult {
  readonly promptTokens: number;
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
  /** Negative: choose one. */
  readonly seed: number;
  readonly ignoreEos: boolean;
  readonly logitBiasTokens: Int32Array;
  readonly logitBiasValues: Float32Array;
  readonly grammar: string;
  /** Negative: none. */
  readonly logProbs: number;
  /** 0: no limit. */
  readonly maxTokens: number;
  readonly stop: readonly string[];
  readonly special: boolean;
}

export interface NativeDecodeResult {
  readonly reason: "eos" | "stop" | "length" | "abort" | "context";
  readonly stop: string;
  readonly tokens: number;
  readonly decodeSteps: number;
  readonly seed: number;
  readonly ms: number;
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
  /** Ends the stage that runs, if one does. */
  abort(): void;
  stats(): NativeSessionStats;
  /** Resolves when the session's place is free. Idempotent. */
  dispose(): Promise<void>;
}

export interface NativeStream {
  /**
   * Takes all that is there. While there is nothing, returns a promise; one read at a time.
   * Throws or rejects with the failure that ended the answer.
   */
  read(): NativeReading | Promise<NativeReading>;
}

export interface NativeFitOptions {
  readonly prefill: NativeModelOptions;
  readonly decode: NativeModelOptions;
  readonly text: string;
  readonly out: string;
  /** A name, or "" where `layers` has the map or the default is wanted. */
  readonly layerMap: string;
  readonly layers: Int32Array;
  readonly commonMap: boolean;
  readonly beforeRope: boolean;
  /** 0: the default. */
  readonly chunkSize: number;
  /** 0: all. */
  readonly maxTokens: number;
  readonly lambda: number;
  readonly heldOut: number;
  readonly weightType: "f32" | "f16" | "q8_0";
  readonly threads: number;
}

export interface NativeFit {
  /** Settles when the file is written or the fit has failed. */
  readonly finished: Promise<NativeFitResult>;
  abort(): void;
}

export interface NativeLinearMapShape {
  readonly inputs: number;
  readonly outputs: number;
}

export interface NativeTranslator {
  readonly source: { readonly name: string; readonly fingerprint: string };
  readonly target: { readonly name: string; readonly fingerprint: string };
  readonly maps: "none" | "common" | "separate";
  readonly beforeRope: boolean;
  readonly weightType: string;
  /** By the target's layers. */
  readonly layers: {
    readonly source: number;
    readonly k: NativeLinearMapShape | undefined;
    readonly v: NativeLinearMapShape | undefined;
    /** Absent if it was not measured. */
    readonly errorK?: number;
    readonly errorV?: number;
  }[];
  /** Nats a token; 0: not measured. */
  readonly loss: { readonly alone: number; readonly unmapped: number; readonly mapped: number };
  readonly fitTokens: number;
  readonly sizeBytes: number;
}

export interface NativeFitResult extends NativeTranslator {
  readonly heldOutTokens: number;
  readonly ms: number;
}

/** Work on a thread of its own. */
export interface NativeJob<Result> {
  /** Settles when the work is done or has failed. */
  readonly finished: Promise<Result>;
  abort(): void;
}

export type NativePruneProgress = (stage: number, fraction: number, tokens: number) => void;

/** How much of a dimension stays: all of it, all but a ratio (0 to below 1), or so many. */
export interface NativeSizeWish {
  readonly kind: "all" | "ratio" | "count";
  readonly value: number;
}

export interface NativeCalibrationOptions {
  /** 0: the default, here and below. */
  readonly window: number;
  readonly windowsPerBatch: number;
  /** 0: all. */
  readonly maxSamples: number;
}

export interface NativeOutputOptions {
  readonly out: string;
  readonly type: string;
  readonly compensate: boolean;
  /** 0: one file. */
  readonly maxPartBytes: number;
  /** "": made from the parent's. */
  readonly name: string;
}

export interface NativePruneOptions {
  readonly model: NativeModelOptions;
  /** "": none, here and below. */
  readonly text: string;
  readonly importance: string;
  readonly saveImportance: string;
  readonly hidden: NativeSizeWish;
  readonly ffn: NativeSizeWish;
  readonly heads: NativeSizeWish;
  readonly kvHeads: NativeSizeWish;
  readonly layers: NativeSizeWish;
  readonly layerRule: "first" | "last" | "firstlast" | "influence";
  /** In place of `layers` and the rule; empty: none. */
  readonly layerList: Int32Array;
  /** 0: none. */
  readonly targetParameters: number;
  readonly targetBytes: number;
  /** 0: the default. */
  readonly multiple: number;
  readonly mean: "signed" | "absolute";
  readonly hiddenByLayer: boolean;
  readonly commonFfn: boolean;
  readonly order: "important" | "random" | "unimportant";
  readonly seed: number;
  readonly calibration: NativeCalibrationOptions;
  readonly output: NativeOutputOptions;
  readonly measure: boolean;
  readonly threads: number;
}

export interface NativeModelSize {
  readonly hiddenSize: number;
  readonly feedForwardSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
}

export interface NativePruneResult {
  readonly paths: string[];
  readonly type: string;
  readonly architectureBefore: string;
  readonly architectureAfter: string;
  readonly fingerprint: string;
  readonly before: NativeModelSize & { readonly parameters: number; readonly sizeBytes: number };
  readonly after: NativeModelSize & { readonly parameters: number; readonly sizeBytes: number };
  /** What the options asked for before the widths were rounded. */
  readonly wished: NativeModelSize;
  readonly multiple: number;
  readonly compensated: boolean;
  readonly kept: {
    readonly hidden: Uint32Array;
    readonly layers: Uint32Array;
    readonly feedForward: Uint32Array[];
    readonly heads: Uint32Array[];
    readonly kvHeads: Uint32Array[];
  };
  readonly samples: number;
  readonly tokens: number;
  /** 0: not measured. */
  readonly lossTokens: number;
  readonly lossBefore: number;
  readonly lossAfter: number;
  readonly calibrateMs: number;
  readonly writeMs: number;
  readonly ms: number;
}

export interface NativeImportanceOptions {
  readonly model: NativeModelOptions;
  readonly texts: readonly string[];
  readonly merge: readonly string[];
  readonly out: string;
  readonly calibration: NativeCalibrationOptions;
  readonly threads: number;
}

/** The scores of an importance file, L2 norms over the samples. */
export interface NativeImportance {
  readonly fingerprint: string;
  readonly name: string;
  readonly architecture: string;
  readonly text: string;
  readonly window: number;
  readonly samples: number;
  readonly tokens: number;
  /** Nats a token. */
  readonly loss: number;
  readonly hidden: { readonly signed: Float64Array; readonly absolute: Float64Array };
  readonly hiddenByLayer: { readonly signed: Float64Array[]; readonly absolute: Float64Array[] };
  readonly feedForward: { readonly signed: Float64Array[]; readonly absolute: Float64Array[] };
  readonly heads: Float64Array[];
  /** A layer each: 0 to 2. */
  readonly blockInfluence: Float64Array;
}

export interface NativePadOptions {
  readonly model: string;
  readonly multiple: number;
  readonly output: NativeOutputOptions;
  readonly threads: number;
}

export interface NativePadResult {
  readonly paths: string[];
  readonly type: string;
  readonly before: NativeModelSize & { readonly parameters: number; readonly sizeBytes: number };
  readonly after: NativeModelSize & { readonly parameters: number; readonly sizeBytes: number };
  readonly ms: number;
}

export interface NativeArchitecture {
  readonly name: string;
  /** "": its own. Written as this where a width no longer equals heads x head size. */
  readonly carrier: string;
  /** Width and heads cannot be pruned independently, and no other architecture can carry the result. */
  readonly square: boolean;
}

export interface NativeHealOptions {
  readonly mode: "overfill" | "sft" | "full";
  /** Reads the prompt, or is distilled from; undefined: neither. */
  readonly full: NativeModelOptions | undefined;
  readonly student: NativeModelOptions;
  readonly data: string;
  /** "": none, here and below. */
  readonly evalData: string;
  readonly out: string;
  readonly type: "same" | "f32" | "f16" | "bf16" | "q8_0";
  /** "": the default. */
  readonly checkpoint: string;
  readonly resume: boolean;
  readonly log: string;
  readonly translator: string;
  readonly promptRatio: number;
  readonly randomCutoff: number;
  /** 0: never. */
  readonly refreshInterval: number;
  /** 0: no distillation. */
  readonly distilShare: number;
  readonly distilTemperature: number;
  /** 0: no LoRA. */
  readonly loraRank: number;
  readonly loraAlpha: number;
  readonly loraTargets: readonly string[];
  readonly freeze: readonly string[];
  /** 0: the default. */
  readonly contextSize: number;
  readonly batchSize: number;
  readonly microBatchTokens: number;
  readonly epochs: number;
  /** 0: as the epochs say. */
  readonly maxSteps: number;
  readonly learningRate: number;
  readonly schedule: "constant" | "linear" | "cosine";
  readonly warmUp: number;
  readonly rateFloor: number;
  readonly weightDecay: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** 0: none. */
  readonly clip: number;
  readonly seed: number;
  readonly shuffleWindow: number;
  readonly maxBadLines: number;
  /** 0: at the end only. */
  readonly evalInterval: number;
  /** 0: never. */
  readonly patience: number;
  readonly maxEvalExamples: number;
  /** 0: every ten minutes and at the end. */
  readonly checkpointInterval: number;
  readonly threads: number;
}

export interface NativeHealProgress {
  /** Index in loading, training, evaluating, writing. */
  readonly stage: number;
  readonly fraction: number;
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  readonly learningRate: number;
  readonly gradientNorm: number;
  readonly tokens: number;
  readonly tokensPerSecond: number;
}

export interface NativeBadLine {
  readonly path: string;
  readonly line: number;
  readonly reason: string;
}

export interface NativeEvaluation {
  readonly step: number;
  readonly loss: number;
}

export interface NativeHealEvents {
  onProgress(progress: NativeHealProgress): void;
  onBadLine(line: NativeBadLine): void;
  onEvaluation(evaluation: NativeEvaluation): void;
}

export interface NativeHealResult {
  readonly reason: "steps" | "patience";
  readonly steps: number;
  /** Above 0: the step that a resumed training went on from. */
  readonly firstStep: number;
  readonly examples: number;
  readonly tokens: number;
  readonly trainedParameters: number;
  readonly losses: Float64Array;
  readonly evaluations: NativeEvaluation[];
  readonly badLines: NativeBadLine[];
  readonly path: string;
  readonly sizeBytes: number;
  readonly tokensPerSecond: number;
  readonly ms: number;
}

export interface NativeNewModelOptions {
  readonly out: string;
  readonly tokenizer: string;
  readonly name: string;
  readonly hiddenSize: number;
  readonly feedForwardSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** 0: hiddenSize / heads. */
  readonly headSize: number;
  readonly contextSize: number;
  readonly ropeBase: number;
  readonly normEpsilon: number;
  readonly tiedOutput: boolean;
  readonly type: "f32" | "f16" | "bf16";
  readonly seed: number;
}

export interface NativeNewModelResult {
  readonly parameters: number;
  readonly sizeBytes: number;
}
