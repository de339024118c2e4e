/** Public face of the engine room. */
export { DecodeStream } from "./decode-stream.js";
export { demoPair, demoPrompt, demoQuestions } from "./demo-pair.js";
export type {
  DecodeEvent,
  DiagnosticsEvents,
  PrefillEvent,
  RefreshEvent,
  StageEvent,
  SwitchEvent,
} from "./diagnostics.js";
export type {
  ChatMessage,
  ChatRecord,
  DataRecord,
  EncodedRecord,
  EncodeOptions,
  PromptRecord,
  TextRecord,
} from "./encode.js";
export {
  type FitProgress,
  type FitStage,
  type FitTranslatorOptions,
  fitTranslator,
  type TranslatorFit,
} from "./fit-translator.js";
export { inspect, loadPair } from "./load-pair.js";
export { type LogLevel, type LogLine, type LogOptions, onLog } from "./on-log.js";
export type {
  AdapterSource,
  CacheType,
  DecodeChunk,
  DecodeOptions,
  DecodeSource,
  DetokenizeOptions,
  GenerateOptions,
  GpuOption,
  InspectOptions,
  KernelOption,
  LayerMap,
  LoadPairOptions,
  LoadProgress,
  ModelSource,
  PrefillOptions,
  PrefillProgress,
  PrefillSource,
  Prompt,
  SamplerName,
  SamplingOptions,
  SwitchOptions,
  TokenizeOptions,
  TokenLogProb,
  WriterSource,
} from "./options.js";
export { Pair } from "./pair.js";
export { type PairFolder, type PairFolderOptions, readPairFolder } from "./pair-folder.js";
export type { ForkOptions, PoolOptions, QueueOptions, SessionOptions } from "./place-options.js";
export type { CacheKeyOption, PrefixCacheOptions, PrefixOptions, WarmOptions } from "./prefix-options.js";
export type { DecodeQuality, QualityOptions, VerificationResult } from "./quality-options.js";
export type { PrefillService, RemoteDevice, RemoteOptions, RemotePlace, RemoteServer } from "./remote-options.js";
export type {
  AdapterInfo,
  DecodeResult,
  EngineTasks,
  FinishReason,
  GeneratedAnswer,
  GenerateResult,
  HandoverPlan,
  HandoverReport,
  Histogram,
  KernelUse,
  ModelInfo,
  PairInfo,
  PairInspection,
  PairMetrics,
  PlanReason,
  PrefillResult,
  PrefixCacheMetrics,
  SessionStage,
  SessionStats,
  WriterInfo,
} from "./results.js";
export type { RestoreOptions, SaveOptions } from "./saved-session-options.js";
export type {
  RowScores,
  ScoredResponse,
  ScoreOptions,
  ScoreResult,
  ScoreRow,
} from "./score.js";
export { Session } from "./session.js";
export {
  inspectTranslator,
  type LinearMapShape,
  type TranslatorInfo,
  type TranslatorLayer,
  type TranslatorLoss,
  type TranslatorModel,
} from "./translator-info.js";
export type { OnePairOptions, WriterOption } from "./writer-options.js";
