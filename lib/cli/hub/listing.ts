/** The files of a repository, and which of them is what: names of GGUF files tell their quantisation and their parts. */

import { DownloadFault } from "./faults.js";
import { type Answer, askOnce, chunksOf, persist, type RequestRules } from "./request.js";
import { isSafePath, type RepositorySource } from "./source.js";

/** A file of a repository. */
export interface HubFile {
  /** Within the repository. */
  readonly path: string;
  readonly sizeBytes: number;
  /** SHA-256 of a large file, or git's SHA-1 of a small one: its name in the cache, and what is checked. */
  readonly digest: string;
}

/** A model: one file, or all parts of one. */
export interface HubModel {
  /** Its (first) file's path without the number of the part. */
  readonly name: string;
  /** In capitals, such as `Q8_0`; empty where the name tells none. */
  readonly quantisation: string;
  readonly sizeBytes: number;
  readonly files: readonly HubFile[];
}

const digestForm = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
/** A page holds a thousand files. */
const mostPages = 50;
/** Of one page, whose length is the server's to say. */
const longestList = 16 * 2 ** 20;

/** `repository/resolve/revision/file` and the like. */
export function hubUrl(endpoint: URL, ...parts: readonly string[]): URL {
  const path = parts.map((part) => part.split("/").map(encodeURIComponent).join("/")).join("/");
  return new URL(path, endpoint);
}

/** Every file that can be one of the cache. Rejects with a {@link DownloadFault}. */
export async function listFiles(source: RepositorySource, rules: RequestRules): Promise<HubFile[]> {
  const { repository, revision } = source;
  const what = revision === "main" ? repository : `${repository} at ${revision}`;
  const files: HubFile[] = [];
  // Slashes in a revision would end it here.
  const tree = hubUrl(rules.endpoint, "api/models", repository, "tree");
  let url = new URL(`${tree.href}/${encodeURIComponent(revision)}?recursive=1`);
  for (let page = 0; page < mostPages; page++) {
    const { list, next } = await persist(rules, () => readPage(url, what, rules));
    files.push(...filesIn(list));
    if (next === undefined) return files;
    url = next;
  }
  throw new DownloadFault("ERR_DOWNLOAD_FAILED", `${what} has too many files to look through`);
}

async function readPage(
  url: URL,
  what: string,
  rules: RequestRules,
): Promise<{ list: unknown; next: URL | undefined }> {
  const attempt = new AbortController();
  const answer = await askOnce({ url, what }, rules, AbortSignal.any([rules.signal, attempt.signal]));
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of chunksOf(answer.response, what, rules, attempt)) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > longestList)
      throw new DownloadFault("ERR_DOWNLOAD_FAILED", `${what}: its list of files is too long`);
  }
  try {
    return { list: JSON.parse(text), next: nextPage(answer, url) };
  } catch {
    throw new DownloadFault("ERR_DOWNLOAD_FAILED", `${what}: ${url.host} gives no list of files`);
  }
}

function filesIn(list: unknown): HubFile[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((entry: unknown) => {
    const { type, path, size, oid, lfs } = (entry ?? {}) as Readonly<Record<string, unknown>>;
    const large = (lfs ?? {}) as Readonly<Record<string, unknown>>;
    const [digest, sizeBytes] = [large.oid ?? oid, large.size ?? size];
    const isFile = type === "file" && typeof path === "string" && isSafePath(path);
    const isKnown = typeof digest === "string" && digestForm.test(digest) && Number.isSafeInteger(sizeBytes);
    return isFile && isKnown && Number(sizeBytes) >= 0 ? [{ path, sizeBytes: Number(sizeBytes), digest }] : [];
  });
}

/** Of the header `Link: <...>; rel="next"`; another server's is none. */
function nextPage({ response }: Answer, url: URL): URL | undefined {
  const [, address] = /<([^>]+)>\s*;\s*rel="?next"?/.exec(response.headers.get("link") ?? "") ?? [];
  const next = address !== undefined && URL.canParse(address, url.href) ? new URL(address, url) : undefined;
  return next?.origin === url.origin ? next : undefined;
}

const partName = /^(.+)-(\d{5})-of-(\d{5})\.gguf$/i;
/** At the end of a name: llama.cpp's types, and what others put before and behind them. */
const quantisationName =
  /(?:^|[-_./])((?:UD-)?(?:I?Q\d+(?:_[A-Z0-9]+)*|TQ\d_\d|MXFP\d(?:_MOE)?|NVFP4|BF16|FP?16|FP?32))(?:[-_.](?:imat|imatrix))?$/i;

/** `Q4_K_M` of `Model-Q4_K_M.gguf`; empty if the name tells none. */
export function quantisationOf(path: string): string {
  const [, name = path.replace(/\.gguf$/i, "")] = partName.exec(path) ?? [];
  const [, quantisation = ""] = quantisationName.exec(name) ?? [];
  return quantisation.toUpperCase().replace(/^FP/, "F");
}

/** The models among the files: parts together, and without what is no model of its own. */
export function modelsAmong(files: readonly HubFile[]): HubModel[] {
  const groups = new Map<string, { count: number; files: HubFile[] }>();
  for (const file of files) {
    if (!/\.gguf$/i.test(file.path) || /(^|\/)[^/]*(mmproj|imatrix)[^/]*$/i.test(file.path)) continue;
    const [, name = file.path.replace(/\.gguf$/i, ""), , count = "1"] = partName.exec(file.path) ?? [];
    const key = `${name} ${count}`;
    const group = groups.get(key) ?? { count: Number(count), files: [] };
    group.files.push(file);
    groups.set(key, group);
  }
  return [...groups.values()].flatMap(({ count, files: parts }) => {
    // One that lacks a part is no model: it was being uploaded, or somebody forgot one.
    if (parts.length !== count) return [];
    const sorted = parts.sort((a, b) => (a.path < b.path ? -1 : 1));
    const path = sorted[0]?.path ?? "";
    const [, name = path.replace(/\.gguf$/i, "")] = partName.exec(path) ?? [];
    const sizeBytes = sorted.reduce((sum, file) => sum + file.sizeBytes, 0);
    return [{ name, quantisation: quantisationOf(path), sizeBytes, files: sorted }];
  });
}
