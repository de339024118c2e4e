/// <reference lib="esnext.disposable" preserve="true" />
/** overfill: two-stage LLM inference on llama.cpp. Re-exports only. */
export * from "./chat/index.js";
export * from "./engine/index.js";
export * from "./errors/index.js";
export * from "./eval/index.js";
export * from "./make/index.js";
export * from "./prune/index.js";
export * from "./train/index.js";
