/** Brings models of a repository into the cache: which files, whether there is room, one after the other, each checked. */

import { mkdir, rename, rm, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { formatBytes } from "../number-format.js";
import { isThere, noteRevision, placeOf, publish, repositoryFolder } from "./cache.js";
import { type Choice, chooseModels } from "./choice.js";
import { DownloadFault } from "./faults.js";
import { type HubFile, type HubModel, hubUrl, listFiles, modelsAmong } from "./listing.js";
import { lock } from "./lock.js";
import { PartialFile } from "./partial-file.js";
import { ask, type RequestRules } from "./request.js";
import type { RepositorySource } from "./source.js";
import { transfer, usualSegmentBytes, verify } from "./transfer.js";

/** What happens meanwhile. */
export interface PullProgress {
  readonly stage: "downloading" | "checking" | "waiting";
  /** The file's path in its repository. */
  readonly file: string;
  /** Of all files of the pull. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface PullOptions extends Choice {
  readonly source: RepositorySource;
  readonly cacheFolder: string;
  readonly rules: RequestRules;
  /** Lines at once to the server. @default 4 */
  readonly connections?: number;
  /** @default 64 MiB */
  readonly segmentBytes?: number;
  readonly onProgress?: (news: PullProgress) => void;
}

/** A model that is in the cache. */
export interface PulledModel {
  /** What to give to `--prefill` or `--decode`: of a model in parts, the first. */
  readonly path: string;
  readonly quantisation: string;
  readonly sizeBytes: number;
  readonly files: readonly {
    readonly path: string;
    readonly sizeBytes: number;
    readonly digest: string;
    /** 0 for what was there. */
    readonly downloadedBytes: number;
  }[];
}

export interface PullResult {
  readonly repository: string;
  readonly revision: string;
  readonly commit: string;
  readonly models: readonly PulledModel[];
}

/** Rejects with a DownloadFault, a UsageError for a choice that there is not, or the signal's reason. */
export async function pull(options: PullOptions): Promise<PullResult> {
  const { source, rules, cacheFolder } = options;
  const { repository, revision } = source;
  const listed = modelsAmong(await listFiles(source, rules));
  const models = chooseModels(listed, askedChoice(options), repository);
  const files = models.flatMap((model) => model.files);
  // The revision is asked once: what is fetched is of one commit, whatever is uploaded meanwhile.
  const commit = await commitOf(source, files[0], rules);
  const folder = repositoryFolder(cacheFolder, repository);
  await mkdir(join(folder, "blobs"), { recursive: true });
  await checkRoom(folder, files, options);

  const totalBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const downloaded = new Map<HubFile, number>();
  let doneBytes = 0;
  for (const file of files) {
    const onProgress = (stage: PullProgress["stage"], done: number) =>
      options.onProgress?.({ stage, file: file.path, doneBytes: doneBytes + done, totalBytes });
    downloaded.set(file, await bring(file, commit, folder, options, onProgress));
    doneBytes += file.sizeBytes;
  }
  await noteRevision(folder, revision, commit);
  return { repository, revision, commit, models: models.map((model) => pulled(model, folder, commit, downloaded)) };
}

function askedChoice({ source, files = [], quantisations = [] }: PullOptions): Choice {
  return {
    files: source.file === undefined ? files : [source.file, ...files],
    quantisations: source.quantisation === undefined ? quantisations : [source.quantisation, ...quantisations],
  };
}

function pulled(model: HubModel, folder: string, commit: string, downloaded: Map<HubFile, number>): PulledModel {
  const files = model.files.map((file) => ({
    path: placeOf(folder, commit, file).pointer,
    sizeBytes: file.sizeBytes,
    digest: file.digest,
    downloadedBytes: downloaded.get(file) ?? 0,
  }));
  return { path: files[0]?.path ?? "", quantisation: model.quantisation, sizeBytes: model.sizeBytes, files };
}

const urlOf = ({ endpoint }: RequestRules, repository: string, revision: string, file: HubFile): URL =>
  hubUrl(endpoint, repository, "resolve", encodeURIComponent(revision).replaceAll("%2F", "/"), file.path);

async function commitOf(
  { repository, revision }: RepositorySource,
  file: HubFile | undefined,
  rules: RequestRules,
): Promise<string> {
  if (/^[0-9a-f]{40}$/.test(revision) || !file) return revision;
  const what = `${repository}: ${file.path}`;
  const { header } = await ask({ url: urlOf(rules, repository, revision, file), what, leaves: false }, rules);
  const commit = header("x-repo-commit") ?? "";
  if (/^[0-9a-f]{40}$/.test(commit)) return commit;
  throw new DownloadFault("ERR_DOWNLOAD_FAILED", `${what}: ${rules.endpoint.host} tells no commit, as the Hub does`);
}

/** Where a blob grows. Not at the name that Hugging Face's own tools go on from: they take its length for what is there. */
const growingFile = (blob: string): string => `${blob}.overfill-part`;

/** A little stays free: a system without any room fails in many ways. */
const spareBytes = 64 * 2 ** 20;

async function checkRoom(folder: string, files: readonly HubFile[], options: PullOptions): Promise<void> {
  const { segmentBytes = usualSegmentBytes } = options;
  let needed = 0;
  for (const file of files) {
    const { blob } = placeOf(folder, "", file);
    if (await isThere(blob, file.sizeBytes)) continue;
    const shape = { sizeBytes: file.sizeBytes, segmentBytes, tag: "" };
    needed += file.sizeBytes - (await PartialFile.bytesAt(growingFile(blob), shape));
  }
  await checkFreeBytes(folder, needed);
}

/** Rejects with ERR_DOWNLOAD_NO_SPACE if a folder's disk has no room for so many bytes. */
export async function checkFreeBytes(folder: string, neededBytes: number): Promise<void> {
  if (neededBytes === 0) return;
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (neededBytes + spareBytes <= free) return;
  throw new DownloadFault(
    "ERR_DOWNLOAD_NO_SPACE",
    `${formatBytes(neededBytes)} are to come, and ${folder} has room for ${formatBytes(Math.max(0, free - spareBytes))}: ` +
      "make room, or name another disk's folder by HF_HOME",
  );
}

/** One file into the cache. Gives how many bytes were fetched. */
async function bring(
  file: HubFile,
  commit: string,
  folder: string,
  { source, rules, connections, segmentBytes }: PullOptions,
  onProgress: (stage: PullProgress["stage"], doneBytes: number) => void,
): Promise<number> {
  const { sizeBytes, digest, path } = file;
  const place = placeOf(folder, commit, file);
  const what = `${source.repository}: ${path}`;
  if (await isThere(place.blob, sizeBytes)) {
    await publish(place);
    return 0;
  }
  await using _held = await lock(`${place.blob}.overfill-lock`, {
    signal: rules.signal,
    onWait: () => onProgress("waiting", 0),
  });
  let fetched = 0;
  // Whoever had the lock before may have brought it.
  if (!(await isThere(place.blob, sizeBytes))) {
    const part = growingFile(place.blob);
    fetched = await transfer(
      {
        url: urlOf(rules, source.repository, commit, file),
        what,
        sizeBytes,
        path: part,
        ...(connections !== undefined && { connections }),
        ...(segmentBytes !== undefined && { segmentBytes }),
        onProgress: (done) => onProgress("downloading", done),
      },
      rules,
    );
    await settle(part, place.blob, { sizeBytes, digest, what }, rules.signal, (done) => onProgress("checking", done));
  }
  await publish(place);
  return fetched;
}

/** Checks a file that is all there, and gives it its name. What is wrong is removed. */
export async function settle(
  part: string,
  path: string,
  promise: { readonly sizeBytes: number; readonly digest: string; readonly what: string },
  signal: AbortSignal,
  onProgress: (doneBytes: number) => void,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  try {
    await verify(part, promise, signal, onProgress);
  } catch (error) {
    if (error instanceof DownloadFault) await PartialFile.remove(part);
    throw error;
  }
  await rename(part, path);
  await rm(`${part}.json`, { force: true });
}
