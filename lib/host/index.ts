/// <reference lib="esnext.disposable" preserve="true" />
/** Public face of `overfill/host`: pairs in a process of their own. */
export { hostOf, type LoadPairInHostOptions, loadPairInHost } from "./load-pair-in-host.js";
export type {
  HostInfo,
  HostOptions,
  HostPort,
  UtilityProcessHandle,
  UtilityProcessModule,
} from "./options.js";
export { serveHost } from "./serve-host.js";
