/**
 * A folder that is a pair: its file `overfill.json` says which models read and write, and with what they go on from each
 * other's cache. {@link makePair} writes it; a person may as well.
 *
 *     {
 *       "overfill": "pair",
 *       "version": 1,
 *       "prefill": { "model": "/models/full.gguf" },
 *       "decode": { "model": "decode.gguf" },
 *       "translator": "maps.gguf",
 *       "contextSize": 4096,
 *       "made": { ... }
 *     }
 *
 * `prefill` and `decode` are needed. Paths are the folder's where they are not absolute. `made` is what was measured when
 * the pair was made, and is not read here. Where a server reads, `prefill` says which, and there is no `translator`:
 *
 *       "prefill": { "url": "https://reader.example", "keyFile": "reader.key" }
 *
 * with `model`, `ca` and `insecure` as in {@link PrefillService}. A key itself has no place in a file that is passed on.
 */

import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createError } from "../errors/create-error.js";
import { fromCaller } from "../internal/caller-stack.js";
import { checkFilePath, refusedArgument } from "../internal/check-options.js";
import { explain } from "../internal/expectations.js";
import { unreadable } from "../internal/file-faults.js";
import { nearestName } from "../internal/nearest-name.js";
import { isUrl, onFirstUse, text, whole } from "../internal/option-schemas.js";
import * as z from "../internal/schema.js";
import type { LoadPairOptions } from "./options.js";
import type { PrefillService } from "./remote-options.js";
import { isService } from "./service-validation.js";

/** What a folder of a pair says, with absolute paths. */
export interface PairFolder {
  /** The full model, or the server that reads in its place. */
  readonly prefill: { readonly model: string } | PrefillService;
  readonly decode: { readonly model: string };
  readonly translator?: string;
  /** Tokens of a session where nobody asks for another number. */
  readonly contextSize?: number;
}

/** Options of {@link loadPair} for a folder: all but what the folder says. Those that are given count. */
export interface PairFolderOptions extends Omit<LoadPairOptions, "prefill" | "decode" | "translator"> {
  /**
   * Where the full model lies by now, or how it is loaded; or a server that reads in its place, which has the translator.
   * @default what the folder says
   */
  readonly prefill?: LoadPairOptions["prefill"] | undefined;
}

/** The file in a folder that makes it a pair. */
export const pairFileName = "overfill.json";

const version = 1;

const modelShape = onFirstUse(() => z.strictObject({ model: text() }));
const folderShape = () => ({
  overfill: z.literal("pair"),
  version: z.literal(version),
  prefill: modelShape(),
  decode: modelShape(),
  translator: z.optional(text()),
  contextSize: z.optional(whole(1)),
  made: z.optional(z.record(z.string(), z.unknown())),
});
const folderSchema = onFirstUse(() => z.strictObject(folderShape()));
const serviceShape = onFirstUse(() =>
  z.strictObject({
    url: text(2048),
    keyFile: z.optional(text()),
    model: z.optional(text(1024)),
    ca: z.optional(text()),
    insecure: z.optional(z.boolean()),
  }),
);
const servedFolderSchema = onFirstUse(() => {
  const { translator: _, ...shape } = folderShape();
  return z.strictObject({ ...shape, prefill: serviceShape() });
});

/**
 * Reads what a folder of a pair says, for {@link loadPair} and for a server's models. The models are looked for, and not
 * read.
 *
 * Rejects with
 * - ERR_INVALID_ARGUMENT for what is no path;
 * - ERR_FILE_READ_FAILED for a folder without an `overfill.json`, or one that cannot be read;
 * - ERR_PAIR_FOLDER_INVALID for one that is no JSON, has a key that there is not, lacks one, or is of another version;
 *   `details` has `path`, `key` and `reason`;
 * - ERR_MODEL_NOT_FOUND for a model, and ERR_FILE_READ_FAILED for a translator, that is not where the file says.
 */
export async function readPairFolder(folder: string | URL): Promise<PairFolder> {
  return fromCaller(() => readFolder(checkFilePath(folder, "folder")));
}

/** @param isServed whether a server reads, whatever the folder says: it has the translator */
async function readFolder(folder: string, isServed = false): Promise<PairFolder> {
  const path = join(folder, pairFileName);
  const said = parseFolder(path, await readFile(path, "utf8").catch((error) => refuseUnreadable(folder, path, error)));
  const inFolder = (file: string) => resolve(folder, file);
  const own = "translator" in said && !isServed ? said.translator : undefined;
  const translator = own === undefined ? undefined : inFolder(own);
  await refuseMissing(path, inFolder(said.decode.model), "decode model", "ERR_MODEL_NOT_FOUND");
  if (translator !== undefined) await refuseMissing(path, translator, "translator", "ERR_FILE_READ_FAILED");
  return {
    prefill: "url" in said.prefill ? serviceOf(said.prefill, inFolder) : { model: inFolder(said.prefill.model) },
    decode: { model: inFolder(said.decode.model) },
    ...(translator !== undefined && { translator }),
    ...(said.contextSize !== undefined && { contextSize: said.contextSize }),
  };
}

function serviceOf({ keyFile, ca, ...server }: SaidService, inFolder: (file: string) => string): PrefillService {
  return {
    ...server,
    ...(keyFile !== undefined && { keyFile: inFolder(keyFile) }),
    ...(ca !== undefined && { ca: inFolder(ca) }),
  };
}

function refuseUnreadable(folder: string, path: string, error: unknown): never {
  const { code } = error as NodeJS.ErrnoException;
  const hint = code === "ENOTDIR" ? `: ${folder} is no folder` : code === "ENOENT" ? ": no pair was made there" : "";
  throw createError("ERR_FILE_READ_FAILED", `${unreadable(path, error)}${hint}`, { path }, error);
}

type SaidService = z.output<ReturnType<typeof serviceShape>>;
type SaidFolder = z.output<ReturnType<typeof folderSchema>> | z.output<ReturnType<typeof servedFolderSchema>>;

function parseFolder(path: string, content: string): SaidFolder {
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch (error) {
    throw invalid(path, `it is not JSON: ${(error as Error).message}`, undefined, error);
  }
  // Another version may have other keys: it is told first.
  const { version: other, prefill } = (json ?? {}) as { readonly version?: unknown; readonly prefill?: unknown };
  if (typeof other === "number" && other !== version)
    throw invalid(path, `it is of version ${other}, and this overfill reads version ${version}`, "version");
  const schema = isService(prefill) ? servedFolderSchema() : folderSchema();
  const parsed = z.safeParse(schema, json);
  if (parsed.success) return parsed.data;
  const { keys, expected, names } = explain(schema, parsed.error.issues);
  const key = keys.join(".");
  const meant = expected === "no such option" ? nearestName(String(keys.at(-1)), names) : undefined;
  const hint = meant === undefined ? "" : ` (did you mean ${JSON.stringify(meant)}?)`;
  throw invalid(path, `${key === "" ? "" : `${key}: `}${expected.replace("option", "key")}${hint}`, key);
}

function invalid(path: string, reason: string, key?: string, cause?: unknown): Error {
  const details = { path, reason, ...(key !== undefined && key !== "" && { key }) };
  return createError("ERR_PAIR_FOLDER_INVALID", `${path}: ${reason}`, details, cause);
}

async function refuseMissing(
  path: string,
  file: string,
  what: string,
  code: "ERR_MODEL_NOT_FOUND" | "ERR_FILE_READ_FAILED",
): Promise<void> {
  try {
    await stat(file);
  } catch (error) {
    throw createError(code, `${unreadable(file, error)}; ${path} names it as the ${what}`, { path: file }, error);
  }
}

/** Whether a call that takes options or a folder was given a folder. */
export const isFolder = (value: unknown): value is string | URL => typeof value === "string" || isUrl(value);

/**
 * The options of {@link loadPair} that a folder comes to, with those that were given beside it.
 *
 * @throws OverfillError ERR_INVALID_ARGUMENT for options that a folder has itself; what {@link readPairFolder} rejects with
 */
export async function withFolder<Options extends PairFolderOptions>(
  folder: string | URL,
  options: Options | undefined,
): Promise<Options & LoadPairOptions> {
  const given = options as Partial<LoadPairOptions> | undefined;
  // No loop with a condition alone: where nobody gives options, Rollup takes the condition away and leaves half a loop.
  const named = (["decode", "translator"] as const).find((name) => given?.[name] !== undefined);
  if (named) throw refusedArgument(`options.${named}`, "expected none beside a folder, which names it", "one");
  options?.signal?.throwIfAborted();
  const { prefill, contextSize, ...said } = await readFolder(
    checkFilePath(folder, "folder"),
    isService(options?.prefill),
  );
  const reader = options?.prefill ?? prefill;
  if (options?.prefill === undefined && !isService(prefill))
    await refuseMissing(
      join(checkFilePath(folder, "folder"), pairFileName),
      prefill.model,
      "prefill model, whose place the option prefill can say anew",
      "ERR_MODEL_NOT_FOUND",
    );
  return {
    ...said,
    ...(contextSize !== undefined && { contextSize }),
    ...Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== undefined)),
    prefill: reader,
  } as Options & LoadPairOptions;
}
