/** Public face of the engine room. */
export { DecodeStream } from "./decode-stream.js";
export { demoPair, demoPrompt } from "./demo-pair.js";
export { inspect, loadPair } from "./load-pair.js";
export type {
  CacheType,
  DecodeChunk,
  DecodeOptions,
  GenerateOptions,
  GpuOption,
  InspectOptions,
  LoadPairOptions,
  LoadProgress,
  ModelSource,
  PrefillOptions,
  PrefillProgress,
  Prompt,
  SamplingOptions,
  SwitchOptions,
  TokenLogProb,
} from "./options.js";
export { Pair } from "./pair.js";
export type {
  DecodeResult,
  FinishReason,
  GenerateResult,
  HandoverPlan,
  HandoverReport,
  ModelInfo,
  PairInfo,
  PairInspection,
  PlanReason,
  PrefillResult,
  SessionStage,
  SessionStats,
} from "./results.js";
export { Session } from "./session.js";
