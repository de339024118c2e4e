/// <reference lib="esnext.disposable" preserve="true" />
/** Public face of `overfill/ai-sdk`: pairs as a provider of the AI SDK. */
export type { OverfillCallOptions } from "./call-settings.js";
export { createOverfill, type OverfillModelOptions, type OverfillOptions, type OverfillProvider } from "./provider.js";
export type * from "./specification.js";
