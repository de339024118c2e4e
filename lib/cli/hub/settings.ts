/**
 * Where models come from and where they lie, by the variables that Hugging Face's own tools read
 * (huggingface.co/docs/huggingface_hub/package_reference/environment_variables), so that all of them share one cache.
 */

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { UsageError } from "../exit.js";

export interface HubSettings {
  readonly endpoint: URL;
  readonly cacheFolder: string;
  /** Goes to the endpoint and nowhere else. */
  readonly token: string | undefined;
}

/** Variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** As Python's `expanduser`, which those tools apply. */
const expand = (path: string): string => resolve(path.replace(/^~(?=$|[\\/])/, homedir()));

/** An empty variable counts as one that is not set. */
const first = (...values: readonly (string | undefined)[]): string | undefined =>
  values.find((value) => value !== undefined && value !== "");

function hubHome(env: Environment): string {
  return expand(first(env.HF_HOME) ?? join(first(env.XDG_CACHE_HOME) ?? join(homedir(), ".cache"), "huggingface"));
}

/** The folder with `models--org--name`. */
export function hubCacheFolder(env: Environment = process.env): string {
  return expand(first(env.HF_HUB_CACHE, env.HUGGINGFACE_HUB_CACHE) ?? join(hubHome(env), "hub"));
}

function tokenOf(env: Environment): string | undefined {
  const given = first(env.HF_TOKEN, env.HUGGING_FACE_HUB_TOKEN);
  const token = given ?? readToken(expand(first(env.HF_TOKEN_PATH) ?? join(hubHome(env), "token")));
  const trimmed = token?.trim();
  if (!trimmed) return undefined;
  // Anything else would be refused by `fetch`, with the token in the message.
  if (!/^[\x21-\x7e]+$/.test(trimmed)) throw new UsageError("the token of HF_TOKEN or of its file is no token");
  return trimmed;
}

/** What `hf auth login` has left, if it has. */
function readToken(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** Throws a UsageError for an endpoint that is none. */
export function hubSettings(env: Environment = process.env): HubSettings {
  const text = first(env.HF_ENDPOINT) ?? "https://huggingface.co";
  const endpoint = URL.canParse(text) ? new URL(text) : undefined;
  if (!endpoint || !/^https?:$/.test(endpoint.protocol) || endpoint.username !== "" || endpoint.search !== "")
    throw new UsageError(`HF_ENDPOINT: expected an address such as https://huggingface.co; got ${text}`);
  if (!endpoint.pathname.endsWith("/")) endpoint.pathname += "/";
  return { endpoint, cacheFolder: hubCacheFolder(env), token: tokenOf(env) };
}
