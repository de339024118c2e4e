/** What `overfill serve` does: finds out what to serve, loads it, listens, and stops when it is told to. */

import { basename, resolve } from "node:path";
import { demoPair, type LoadPairOptions, type Pair } from "../../../engine/index.js";
import {
  checkListening,
  type RunningServer,
  readKeys,
  readServerConfig,
  type ServeOptions,
  serve,
} from "../../../server/index.js";
import { readTemplate } from "../../chat-template.js";
import { demoNote } from "../../demo-note.js";
import { UsageError } from "../../exit.js";
import { flagOfParameter, given } from "../../flags.js";
import { openPair } from "../../open-pair.js";
import { toLoadOptions } from "../../pair-flags.js";
import { withPairFolder } from "../../pair-folder.js";
import { isDemo } from "../../prefill-flags.js";
import { Progress } from "../../progress.js";
import { listenForStop } from "../../stop-signals.js";
import { write } from "../../terminal.js";
import { type ServeFlags, toDefaults } from "./flags.js";
import { renderListening } from "./render.js";

const usualSessions = 4;
const usualGraceSeconds = 10;

/** Keys that are not in the list of processes: from the environment and from a file. */
async function keysOf({ apiKeyFile }: ServeFlags): Promise<readonly string[]> {
  const ofEnvironment = (process.env.OVERFILL_API_KEYS ?? "").split(/[,\s]+/).filter((key) => key !== "");
  return [...ofEnvironment, ...(apiKeyFile === undefined ? [] : await readKeys(apiKeyFile))];
}

/** Without a name of its own a model is called like the file that reads, or that writes what a server has read. */
function nameOf({ name, prefill, prefillUrl, decode }: ServeFlags): string {
  const file = prefill ?? (prefillUrl === undefined ? undefined : decode);
  return name ?? (file === undefined ? "demo" : basename(file).replace(/\.gguf$/i, ""));
}

/** Flags that go together with a configuration file; the others say what a single model is and how it answers. */
const besideConfig: ReadonlySet<string> = new Set([
  ...["config", "modelsMax", "memory", "host", "port", "apiKeyFile", "allowedHost", "origin", "maxWaiting", "grace"],
  ...["tlsCert", "tlsKey"],
  ...["hostProcess", "logFormat", "logBodies", "quiet", "page", "progress"],
]);

function refuseContradictions(flags: ServeFlags): void {
  const { config, decode, modelsMax, memory } = flags;
  if (config === undefined) {
    if (modelsMax !== undefined || memory !== undefined)
      throw new UsageError("--models-max and --memory are for models that are loaded on demand, which --config names");
    if (isDemo(flags) && decode !== undefined)
      throw new UsageError("--decode needs --prefill or --prefill-url: name what reads the prompts");
    return;
  }
  const unused = Object.entries(flags).find(([name, value]) => value !== undefined && !besideConfig.has(name));
  if (unused)
    throw new UsageError(`--config names the models and how they answer: give it or ${flagOfParameter(unused[0])}`);
}

function tlsOf({ tlsCert, tlsKey }: ServeFlags): ServeOptions["tls"] {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) throw new UsageError("--tls-cert and --tls-key go together");
  return { certificate: tlsCert, key: tlsKey };
}

/** The options of the configuration file, over them those of flags. Keys add up, wherever they come from. */
function withFlags(options: ServeOptions, flags: ServeFlags, keys: readonly string[]): ServeOptions {
  const { allowedHost, origin, maxWaiting, modelsMax, memory, host, port } = flags;
  const log = flags.quiet ? false : { format: flags.logFormat ?? "text", bodies: flags.logBodies === true };
  return {
    ...options,
    ...given({ host, port, tls: tlsOf(flags) }),
    auth: {
      ...options.auth,
      ...given({ hosts: allowedHost, origins: origin }),
      keys: [...new Set([...(options.auth?.keys ?? []), ...keys])],
    },
    limits: { ...options.limits, ...given({ maxWaiting, maxModels: modelsMax, memoryBytes: memory }) },
    log,
    page: flags.page && options.page !== false,
    ...given({ hostProcess: flags.hostProcess }),
  };
}

/** The one model that flags name, to be loaded. */
async function modelOf(flags: ServeFlags, signal: AbortSignal) {
  const load = { ...toLoadOptions(flags, demoPair), maxSessions: flags.maxSessions ?? usualSessions };
  const facts = {
    ...(await readTemplate(flags, signal)),
    ...given({ aliases: flags.alias }),
    defaults: toDefaults(flags),
  };
  return { load, facts };
}

async function loaded(options: LoadPairOptions, flags: ServeFlags, signal: AbortSignal): Promise<Pair> {
  const progress = await Progress.open(flags.progress && !flags.quiet);
  signal.addEventListener("abort", () => progress.stop());
  try {
    progress.update("loading", 0, 1);
    const load = flags.hostProcess ? (await import("../../../host/index.js")).loadPairInHost : openPair;
    return await load({ ...options, signal, onProgress: ({ fraction }) => progress.update("loading", fraction, 1) });
  } finally {
    progress.stop();
  }
}

/** The flags with what a folder fills in; without a name of their own the model is called like the folder. */
async function flagsWith(folder: string | undefined, asked: ServeFlags): Promise<ServeFlags> {
  if (folder === undefined) return asked;
  if (asked.config !== undefined) throw new UsageError("--config names the models: give it or a folder");
  return { name: basename(resolve(folder)), ...(await withPairFolder(folder, asked)) };
}

export async function runServe(folder: string | undefined, asked: ServeFlags): Promise<void> {
  const flags = await flagsWith(folder, asked);
  refuseContradictions(flags);
  const graceMs = (flags.grace ?? usualGraceSeconds) * 1000;
  // A second signal ends the process at once; the first never does, as long as answers have their time.
  const { signal, release } = listenForStop({ graceMs: graceMs + 5000 });
  let pair: Pair | undefined;
  let server: RunningServer | undefined;
  try {
    const keys = await keysOf(flags);
    let options: ServeOptions;
    if (flags.config !== undefined) options = withFlags(await readServerConfig(flags.config), flags, keys);
    else {
      const { load, facts } = await modelOf(flags, signal);
      const name = nameOf(flags);
      options = withFlags({ models: { [name]: { load, ...facts } } }, flags, keys);
      // What makes no sense, and a port in use, is told before a model is loaded for nothing.
      await checkListening(options);
      pair = await loaded(load, flags, signal);
      // A model whose process has ended for good is loaded anew.
      const inHost = flags.hostProcess || ("devices" in load.prefill && load.prefill.devices !== undefined);
      options = { ...options, models: { [name]: { pair, ...(inHost && { load }), ...facts } } };
    }
    server = await serve(options);
    if (flags.config === undefined && isDemo(flags) && !flags.quiet) await write(process.stderr, demoNote());
    await write(process.stderr, renderListening(server.url, (options.auth?.keys ?? []).length > 0));
    await stopped(signal);
    await server.close({ graceMs });
  } finally {
    await server?.close();
    await pair?.dispose();
    release();
  }
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
