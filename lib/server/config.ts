/** Options of a server from a configuration file. */

import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type LoadPairOptions,
  type PrefillService,
  type PrefillSource,
  type RemotePlace,
  type RemoteServer,
  readPairFolder,
} from "../engine/index.js";
import { checkPair } from "../engine/writer-validation.js";
import { createError } from "../errors/create-error.js";
import { InvalidArgumentError } from "../errors/index.js";
import { fromCaller } from "../internal/caller-stack.js";
import { refusedArgument } from "../internal/check-options.js";
import { withoutUndefined } from "./answer-options.js";
import { ApiError } from "./api-error.js";
import { parseBody } from "./body.js";
import { type Config, configSchema } from "./config-schema.js";
import type { LoadedOnDemand, ServeOptions } from "./options.js";

const units: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** Bytes of a text such as `12G`; undefined if it is none. */
export function parseBytes(text: string): number | undefined {
  const [, count, unit = ""] = /^(\d+(?:\.\d+)?)\s*(?:([KMGT])i?B?)?$/i.exec(text.trim()) ?? [];
  return count === undefined ? undefined : Math.round(Number(count) * (units[unit.toUpperCase()] ?? 1));
}

const toBytes = (value: string | number | undefined) => (typeof value === "string" ? parseBytes(value) : value);

/** Sessions of a model that says nothing of them: a server has more than one client. */
export const usualSessions = 4;

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw createError("ERR_FILE_READ_FAILED", `${file} cannot be read`, { path: file }, cause);
  }
}

/**
 * The keys of a file: one a line; empty lines and those that begin with # are none.
 *
 * Rejects with ERR_FILE_READ_FAILED, and with ERR_DATA_INVALID for a file without keys: it would leave the server open.
 */
export async function readKeys(file: string): Promise<readonly string[]> {
  return fromCaller(async () => {
    const lines = (await readText(file)).split("\n").map((line) => line.trim());
    const keys = lines.filter((line) => line !== "" && !line.startsWith("#"));
    if (keys.length === 0)
      throw createError("ERR_DATA_INVALID", `${file} has no keys`, { path: file, reason: "it has no keys" });
    return keys;
  });
}

type ModelSettings = Exclude<Config["models"][string], string>;
type Prefill = NonNullable<ModelSettings["prefill"]>;
type Service = Extract<Prefill, { readonly url: string }>;
type Source = Exclude<Prefill, Service>;
type Devices = NonNullable<Exclude<Source, string>["devices"]>;

const devicesOf = (devices: Devices, at: (file: string) => string): RemotePlace["devices"] =>
  devices.map((device) => {
    if (typeof device === "string") return device;
    const { keyFile, ...server } = device;
    return withoutUndefined({ ...server, key: keyFile === undefined ? undefined : at(keyFile) }) as RemoteServer;
  });

/** Makes an error out of what is wrong with a model. */
type Refuse = (reason: string, cause?: unknown) => Error;

/** Throws what `refuse` makes of options that no pair is loaded with, by their names in the file. */
function checkLoad(load: LoadPairOptions, refuse: Refuse): void {
  try {
    checkPair(load);
  } catch (error) {
    if (!InvalidArgumentError.isInstance(error)) throw error;
    const reason = error.message.replace(/^options\./, "").replace("{ url, key }", "{ url, keyFile }");
    throw refuse(reason, error);
  }
}

function sourceOf(source: Source, at: (file: string) => string): PrefillSource {
  const given: Exclude<Source, string> = typeof source === "string" ? { model: source } : source;
  return withoutUndefined({
    ...given,
    model: at(given.model),
    adapters: given.adapters?.map(({ file, ...adapter }) => ({ ...adapter, file: at(file) })),
    devices: given.devices && devicesOf(given.devices, at),
  }) as PrefillSource;
}

const prefillOf = (source: Prefill, at: (file: string) => string): LoadPairOptions["prefill"] =>
  typeof source === "object" && "url" in source ? serviceOf(source, at) : sourceOf(source, at);

const serviceOf = ({ keyFile, ca, ...server }: Service, at: (file: string) => string): PrefillService =>
  withoutUndefined({
    ...server,
    keyFile: keyFile === undefined ? undefined : at(keyFile),
    ca: ca === undefined ? undefined : at(ca),
  }) as PrefillService;

function decodeOf(decode: ModelSettings["decode"], at: (file: string) => string): LoadPairOptions["decode"] {
  if (decode === undefined) return undefined;
  if (typeof decode === "string" || !("writers" in decode)) return sourceOf(decode, at);
  const named = Object.entries(decode.writers).map(([name, source]) => [name, sourceOf(source, at)] as const);
  return Object.fromEntries(named);
}

/** The pair that a folder is, or that the settings name. */
async function pairOf(
  { folder, prefill, decode, translator }: ModelSettings,
  at: (file: string) => string,
  refuse: Refuse,
): Promise<Partial<LoadPairOptions>> {
  const reader = prefill && { prefill: prefillOf(prefill, at) };
  if (folder !== undefined) {
    if (decode !== undefined || translator !== undefined)
      throw refuse(`expected no ${decode === undefined ? "translator" : "decode"} beside folder, which names it`);
    return { ...(await readPairFolder(at(folder))), ...reader };
  }
  if (!reader) throw refuse("expected a folder of a pair, or prefill");
  const writer = decodeOf(decode, at);
  return { ...reader, decode: writer, translator: translator === undefined ? undefined : at(translator) };
}

async function modelOf(
  model: Config["models"][string],
  at: (file: string) => string,
  refuse: Refuse,
): Promise<LoadedOnDemand> {
  const settings: ModelSettings = typeof model === "string" ? { folder: model } : model;
  const { folder, prefill, decode, translator, ...unpaired } = settings;
  const { aliases, template, templateVariables, defaults, prefixCache, ...rest } = unpaired;
  const isFile = template !== undefined && template !== "chatml";
  const load = {
    ...(await pairOf(settings, at, refuse)),
    ...rest,
    maxSessions: rest.maxSessions ?? usualSessions,
    prefixCache: prefixCache && {
      maxBytes: toBytes(prefixCache.maxBytes),
      maxDiskBytes: toBytes(prefixCache.maxDiskBytes),
      directory: prefixCache.directory === undefined ? undefined : at(prefixCache.directory),
    },
  };
  const asked = withoutUndefined(load) as LoadPairOptions;
  checkLoad(asked, refuse);
  return withoutUndefined({
    load: asked,
    ...{ aliases, templateVariables, defaults },
    template: isFile ? await readText(at(template)) : template,
  }) as LoadedOnDemand;
}

function parse(text: string, file: string): Config {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw createError("ERR_DATA_INVALID", `${file} is not valid JSON`, { path: file }, cause);
  }
  try {
    return parseBody(configSchema, value);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw invalid(file, error.message, error);
  }
}

const invalid = (file: string, reason: string, cause?: unknown) =>
  createError("ERR_DATA_INVALID", `${file}: ${reason}`, { path: file, reason }, cause);

/**
 * Options for {@link serve} from a file such as `overfill.config.json`. Paths in it are relative to it; its models are loaded
 * when they are first asked for. Its JSON schema is `overfill/server/config.schema.json`.
 *
 * Rejects with ERR_FILE_READ_FAILED, with ERR_DATA_INVALID for what is no configuration or no pair is loaded with, and for a folder of a pair with what
 * {@link readPairFolder} rejects with.
 */
export async function readServerConfig(file: string | URL): Promise<ServeOptions> {
  return fromCaller(async () => {
    if (typeof file !== "string" && !(file instanceof URL))
      throw refusedArgument("file", "expected a path or a file: URL", typeof file);
    const path = typeof file === "string" ? file : fileURLToPath(file);
    const folder = dirname(resolve(path));
    const at = (name: string) => resolve(folder, name);
    const config = parse(await readText(path), path);
    const models: Record<string, LoadedOnDemand> = {};
    for (const [name, model] of Object.entries(config.models))
      models[name] = await modelOf(model, at, (reason, cause) => invalid(path, `models.${name}: ${reason}`, cause));
    const { keysFile, hosts, origins, maxModels, memory, host, port, maxConnections, page, hostProcess } = config;
    const keys = keysFile === undefined ? undefined : await readKeys(at(keysFile));
    return withoutUndefined({
      ...{ models, host, port, maxConnections, page, hostProcess },
      auth: withoutUndefined({ keys, hosts, origins }),
      limits: withoutUndefined({ ...config.limits, maxModels, memoryBytes: toBytes(memory) }),
    });
  });
}
