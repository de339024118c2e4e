/** Brings one file of any server to where it is wanted. Nothing tells its checksum but whoever asks for it. */

import { mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { UsageError } from "../exit.js";
import { isTaken } from "./cache.js";
import { DownloadFault } from "./faults.js";
import { quantisationOf } from "./listing.js";
import { lock } from "./lock.js";
import { PartialFile } from "./partial-file.js";
import { checkFreeBytes, type PulledModel, type PullProgress, settle } from "./pull.js";
import { askOnce, persist, type RequestRules } from "./request.js";
import { isSafePath } from "./source.js";
import { transfer } from "./transfer.js";

export interface PullAddressOptions {
  readonly url: URL;
  /** @default the address's last part, in the working directory */
  readonly out?: string | undefined;
  /** SHA-256 in hexadecimal digits. @default it is not known, and the length alone is checked */
  readonly digest?: string | undefined;
  readonly rules: RequestRules;
  readonly connections?: number;
  readonly segmentBytes?: number;
  readonly onProgress?: (news: PullProgress) => void;
}

/** Rejects with a DownloadFault, a UsageError where the file would go over another one, or the signal's reason. */
export async function pullAddress(options: PullAddressOptions): Promise<PulledModel> {
  const { url, rules, digest, connections, segmentBytes } = options;
  const path = resolve(options.out ?? fileNameOf(url));
  const [part, what] = [`${path}.overfill-part`, url.href];
  if (await isTaken(path)) throw new UsageError(`${path} is there already: remove it, or name another file by --out`);
  await mkdir(dirname(path), { recursive: true });
  const { sizeBytes, tag } = await remoteFactsOf(url, what, rules);
  await checkFreeBytes(dirname(path), sizeBytes);
  const tell = (stage: PullProgress["stage"]) => (doneBytes: number) =>
    options.onProgress?.({ stage, file: basename(path), doneBytes, totalBytes: sizeBytes });

  await using _held = await lock(`${path}.overfill-lock`, { signal: rules.signal, onWait: () => tell("waiting")(0) });
  if (await isTaken(path)) throw new UsageError(`${path} is there already: another download brought it`);
  const downloadedBytes = await transfer(
    {
      url,
      what,
      sizeBytes,
      path: part,
      ...(tag !== undefined && { tag }),
      ...(connections !== undefined && { connections }),
      ...(segmentBytes !== undefined && { segmentBytes }),
      onProgress: tell("downloading"),
    },
    rules,
  );
  await checkMagic(part, what);
  if (digest !== undefined) await settle(part, path, { sizeBytes, digest, what }, rules.signal, tell("checking"));
  else {
    await rename(part, path);
    await rm(`${part}.json`, { force: true });
  }
  const file = { path, sizeBytes, digest: digest ?? "", downloadedBytes };
  return { path, quantisation: quantisationOf(basename(path)), sizeBytes, files: [file] };
}

function fileNameOf({ pathname, href }: URL): string {
  const last = pathname.split("/").at(-1) ?? "";
  // A percent sign alone is one.
  const name = /%(?![0-9a-f]{2})/i.test(last) ? last : decodeURIComponent(last);
  if (isSafePath(name) && /^[^/]+\.gguf$/i.test(name)) return name;
  throw new UsageError(`${href} does not end in the name of a GGUF file: name one by --out`);
}

/** From a byte of it, since servers that sign addresses for GET refuse HEAD. */
async function remoteFactsOf(
  url: URL,
  what: string,
  rules: RequestRules,
): Promise<{ sizeBytes: number; tag?: string }> {
  return persist(rules, async () => {
    const attempt = new AbortController();
    const signal = AbortSignal.any([rules.signal, attempt.signal]);
    const { response } = await askOnce({ url, what, headers: { range: "bytes=0-0" } }, rules, signal);
    attempt.abort();
    const { headers, status } = response;
    const size = status === 206 ? headers.get("content-range")?.split("/")[1] : headers.get("content-length");
    const sizeBytes = Number(size ?? Number.NaN);
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0)
      throw new DownloadFault("ERR_DOWNLOAD_FAILED", `${what}: ${url.host} does not tell how large the file is`);
    const tag = headers.get("etag");
    // A weak one says nothing of bytes.
    return { sizeBytes, ...(tag !== null && !tag.startsWith("W/") && { tag }) };
  });
}

/** A page that says "sign in first" is no model. */
async function checkMagic(part: string, what: string): Promise<void> {
  const magic = Buffer.alloc(4);
  {
    await using file = await open(part);
    await file.read(magic, 0, 4, 0);
  }
  if (magic.toString("latin1") === "GGUF") return;
  await PartialFile.remove(part);
  throw new DownloadFault("ERR_DOWNLOAD_CORRUPT", `${what} is no GGUF file, and was removed`);
}
