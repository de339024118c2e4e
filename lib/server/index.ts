/// <reference lib="esnext.disposable" preserve="true" />
/** Public face of `overfill/server`: pairs behind OpenAI's HTTP API. */
export { readKeys, readServerConfig } from "./config.js";
export { createHandler } from "./handler.js";
export type {
  AnswerDefaults,
  ApiKey,
  AuthOptions,
  LimitOptions,
  LoadedModelOptions,
  LoadedOnDemand,
  LogOptions,
  RunningServer,
  ServedModel,
  ServeOptions,
  ServerHandler,
  ServerOptions,
  TlsOptions,
} from "./options.js";
export { checkListening, checkServeOptions, serve } from "./serve.js";
