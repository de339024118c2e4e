/** What is to be downloaded, as people write it: a repository, one of its files, or an address of any other server. */

import { UsageError } from "../exit.js";

/** Files of a repository. */
export interface RepositorySource {
  readonly kind: "repository";
  /** `org/name`. */
  readonly repository: string;
  readonly revision: string;
  /** Its one file that is meant, by its path there. */
  readonly file?: string;
  /** As in llama.cpp's `org/name:Q4_K_M`. */
  readonly quantisation?: string;
}

/** One file of any server. */
export interface AddressSource {
  readonly kind: "address";
  readonly url: URL;
}

export const mainRevision = "main";

const repositoryName = /^[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\/[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?$/;
const hubHosts = ["huggingface.co", "hf.co", "www.huggingface.co"];

/** Whether it can be a part of a path in the cache: the Hub's names become files of this machine. */
export function isSafePath(path: string): boolean {
  return path.split("/").every((part) => part !== "" && part !== "." && part !== ".." && !unsafe.test(part));
}

/** What some system cannot have in a name, or takes for something else. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const unsafe = /[\\:*?"<>|\u0000-\u001f\u007f]|[. ]$/;

/** @throws UsageError */
export function parseSource(text: string, endpoint: URL): RepositorySource | AddressSource {
  if (/^https?:\/\//i.test(text)) return parseUrl(text, endpoint);
  const [, name = "", quantisation] = /^(?:hf\.co\/|hf:\/\/)?([^:]+)(?::(.+))?$/.exec(text) ?? [];
  if (!isRepository(name))
    throw new UsageError(`${text}: expected a repository such as Qwen/Qwen2.5-1.5B-Instruct-GGUF, or an address`);
  return {
    kind: "repository",
    repository: name,
    revision: mainRevision,
    ...(quantisation !== undefined && { quantisation }),
  };
}

const isRepository = (name: string): boolean => repositoryName.test(name) && !/\.\.|--/.test(name);

function parseUrl(text: string, endpoint: URL): RepositorySource | AddressSource {
  if (!URL.canParse(text)) throw new UsageError(`${text} is no address`);
  const url = new URL(text);
  if (url.username !== "" || url.password !== "")
    throw new UsageError("an address with a name or a password in it is not taken: others can read a command line");
  const path = pathBelow(url, endpoint);
  if (path === undefined) return { kind: "address", url };
  const [org = "", name = "", verb, ...rest] = path.split("/");
  const repository = `${org}/${name}`;
  if (!isRepository(repository)) throw new UsageError(`${text} names no repository`);
  if (verb === undefined || verb === "") return { kind: "repository", repository, revision: mainRevision };
  // A revision with slashes in it is written with them escaped.
  const [revision, ...parts] = rest;
  if (revision === undefined || !["resolve", "blob", "tree"].includes(verb))
    throw new UsageError(`${text} is no file of a repository`);
  const source = { kind: "repository", repository, revision: decodePart(revision, text) } as const;
  checkRevision(source.revision);
  if (verb === "tree" || parts.length === 0) return source;
  const file = decodePart(parts.join("/"), text);
  if (!isSafePath(file)) throw new UsageError(`${text} names no file`);
  return { ...source, file };
}

/** The path within the Hub; undefined for another server's address. */
function pathBelow(url: URL, endpoint: URL): string | undefined {
  if (url.origin === endpoint.origin && url.pathname.startsWith(endpoint.pathname))
    return url.pathname.slice(endpoint.pathname.length);
  return url.protocol === "https:" && hubHosts.includes(url.host) ? url.pathname.slice(1) : undefined;
}

/** @throws UsageError for what could be no branch, tag or commit */
export function checkRevision(revision: string): void {
  if (!/^[A-Za-z0-9._/+-]{1,200}$/.test(revision) || !isSafePath(revision) || revision.startsWith("-"))
    throw new UsageError(`${JSON.stringify(revision)} is no revision: expected a branch, a tag or a commit`);
}

function decodePart(text: string, whole: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UsageError(`${whole} is no address`);
  }
}
