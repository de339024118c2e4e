/** What `overfill serve` does: finds out what to serve, loads it, listens, and stops when it is told to. */

import { basename } from "node:path";
import { demoPair, loadPair, type Pair } from "../../../engine/index.js";
import { type RunningServer, readKeys, readServerConfig, type ServeOptions, serve } from "../../../server/index.js";
import { readTemplate } from "../../chat-template.js";
import { UsageError } from "../../exit.js";
import { given } from "../../flags.js";
import { toLoadOptions } from "../../pair-flags.js";
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

function nameOf({ name, prefill }: ServeFlags): string {
  return name ?? (prefill === undefined ? "demo" : basename(prefill).replace(/\.gguf$/i, ""));
}

/** The options of the configuration file, over them those of flags. */
function withFlags(options: ServeOptions, flags: ServeFlags, keys: readonly string[]): ServeOptions {
  const { allowedHost, origin, maxWaiting, modelsMax, memory, host, port } = flags;
  const log = flags.quiet ? false : { format: flags.logFormat ?? "text", bodies: flags.logBodies === true };
  return {
    ...options,
    ...given({ host, port }),
    auth: {
      ...options.auth,
      ...given({ keys: keys.length > 0 ? keys : undefined, hosts: allowedHost, origins: origin }),
    },
    limits: { ...options.limits, ...given({ maxWaiting, maxModels: modelsMax, memoryBytes: memory }) },
    log,
    page: flags.page,
  };
}

async function loadOne(flags: ServeFlags, signal: AbortSignal): Promise<{ pair: Pair; template?: string }> {
  const progress = await Progress.open(flags.progress && !flags.quiet);
  signal.addEventListener("abort", () => progress.stop());
  try {
    const template = await readTemplate(flags, signal);
    progress.update("loading", 0, 1);
    const pair = await loadPair({
      ...toLoadOptions(flags, demoPair),
      maxSessions: flags.maxSessions ?? usualSessions,
      signal,
      onProgress: ({ fraction }) => progress.update("loading", fraction, 1),
    });
    return { pair, ...template };
  } finally {
    progress.stop();
  }
}

export async function runServe(flags: ServeFlags): Promise<void> {
  if (flags.config !== undefined && flags.prefill !== undefined)
    throw new UsageError("--config names the models: give it or --prefill");
  if (flags.config === undefined && (flags.modelsMax !== undefined || flags.memory !== undefined))
    throw new UsageError("--models-max and --memory are for models that are loaded on demand, which --config names");
  if (flags.prefill === undefined && flags.decode !== undefined)
    throw new UsageError("--decode needs --prefill: name the model that reads the prompts");
  const graceMs = (flags.grace ?? usualGraceSeconds) * 1000;
  // A second signal ends the process at once; the first never does, as long as answers have their time.
  const { signal, release } = listenForStop({ graceMs: graceMs + 5000 });
  let pair: Pair | undefined;
  let server: RunningServer | undefined;
  try {
    const keys = await keysOf(flags);
    if (flags.config !== undefined) server = await serve(withFlags(await readServerConfig(flags.config), flags, keys));
    else {
      const { pair: loaded, template } = await loadOne(flags, signal);
      pair = loaded;
      const model = given({ pair, template, aliases: flags.alias, defaults: toDefaults(flags) });
      server = await serve(withFlags({ models: { [nameOf(flags)]: model } }, flags, keys));
    }
    await write(process.stderr, renderListening(server.url, keys.length > 0));
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
