/**
 * Fetches one file: several segments at once where the server gives ranges, all of it in one go where it does not. What was
 * fetched stays when a line is cut, when somebody stops it, or when the process ends.
 */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { DownloadFault } from "./faults.js";
import { PartialFile, type Segment } from "./partial-file.js";
import { askOnce, chunksOf, PassingFault, persist, type RequestRules } from "./request.js";

export interface TransferOptions {
  readonly url: URL;
  /** How the file is named when something fails. */
  readonly what: string;
  readonly sizeBytes: number;
  /** Where it grows. */
  readonly path: string;
  /** A strong entity tag, by which a server without content in its addresses tells that its file is the same. */
  readonly tag?: string;
  /** @default 4 */
  readonly connections?: number;
  /** @default 64 MiB */
  readonly segmentBytes?: number;
  /** Bytes that are there, of all. */
  readonly onProgress?: (doneBytes: number) => void;
}

export const usualSegmentBytes = 64 * 2 ** 20;

/** The server gives the whole file where a range was asked for. */
class RangesIgnored extends Error {}

/**
 * @returns how many bytes were fetched by this call. Rejects with a {@link DownloadFault}, the signal's reason or the
 *   system's error; what is there can be gone on with
 */
export async function transfer(options: TransferOptions, rules: RequestRules): Promise<number> {
  const { path, sizeBytes, segmentBytes = usualSegmentBytes, tag = "", connections = 4 } = options;
  const shape = { sizeBytes, segmentBytes, tag };
  const failed = new AbortController();
  const inner: RequestRules = { ...rules, signal: AbortSignal.any([rules.signal, failed.signal]) };
  try {
    await using partial = await PartialFile.open(path, shape);
    const before = partial.doneBytes;
    const waiting = partial.segments.filter(({ begin, end, done }) => done < end - begin);
    const work = async () => {
      for (let segment = waiting.shift(); segment; segment = waiting.shift())
        await fetchSegment(partial, segment, options, inner);
    };
    const workers = Array.from({ length: Math.min(connections, waiting.length) }, () =>
      work().catch((error) => {
        failed.abort(error);
        throw error;
      }),
    );
    // All have ended before the file is closed.
    await Promise.allSettled(workers);
    await partial.note();
    await Promise.all(workers);
    return partial.doneBytes - before;
  } catch (error) {
    rules.signal.throwIfAborted();
    if (!(error instanceof RangesIgnored)) throw error;
  }
  await PartialFile.remove(path);
  return fetchWhole(options, rules);
}

async function fetchSegment(
  partial: PartialFile,
  segment: Segment,
  { url, what, sizeBytes, tag, onProgress }: TransferOptions,
  rules: RequestRules,
): Promise<void> {
  const { begin, end } = segment;
  let before = segment.done;
  const progressed = () => {
    const has = segment.done > before;
    before = segment.done;
    return has;
  };
  await persist(
    rules,
    async () => {
      const attempt = new AbortController();
      const from = begin + segment.done;
      const headers = { range: `bytes=${from}-${end - 1}`, ...(tag !== undefined && { "if-range": tag }) };
      const signal = AbortSignal.any([rules.signal, attempt.signal]);
      const { response } = await askOnce({ url, what, headers }, rules, signal);
      try {
        if (response.status !== 206) throw new RangesIgnored();
        checkRange(response, { from, to: end - 1, sizeBytes }, what);
        for await (const bytes of chunksOf(response, what, rules, attempt)) {
          if (bytes.length > end - begin - segment.done)
            throw new DownloadFault("ERR_DOWNLOAD_CORRUPT", `${what}: more came than was asked for`);
          await partial.append(segment, bytes);
          onProgress?.(partial.doneBytes);
        }
      } finally {
        // Ends the line where it was not read to its end.
        attempt.abort();
      }
      if (segment.done < end - begin) throw new PassingFault(`${what}: ${url.host} has cut the line`);
    },
    progressed,
  );
}

/** Throws where the range is not the one that was asked for: writing it would damage the file. */
function checkRange(
  response: Response,
  { from, to, sizeBytes }: { readonly from: number; readonly to: number; readonly sizeBytes: number },
  what: string,
): void {
  const range = response.headers.get("content-range") ?? "none";
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(range) ?? [];
  const isWhole = total === "*" || Number(total) === sizeBytes;
  if (Number(first) === from && Number(last) === to && isWhole) return;
  throw new DownloadFault(
    "ERR_DOWNLOAD_CORRUPT",
    `${what}: asked for bytes ${from} to ${to} of ${sizeBytes}, the server gives ${range}`,
  );
}

/** From the beginning, each time. */
async function fetchWhole(
  { url, what, sizeBytes, path, onProgress }: TransferOptions,
  rules: RequestRules,
): Promise<number> {
  await persist(rules, async () => {
    await PartialFile.remove(path);
    await using partial = await PartialFile.open(path, { sizeBytes, segmentBytes: Math.max(1, sizeBytes), tag: "" });
    const [segment] = partial.segments;
    const attempt = new AbortController();
    const signal = AbortSignal.any([rules.signal, attempt.signal]);
    const { response } = await askOnce({ url, what }, rules, signal);
    try {
      for await (const bytes of chunksOf(response, what, rules, attempt)) {
        if (!segment || segment.done + bytes.length > sizeBytes)
          throw new DownloadFault("ERR_DOWNLOAD_CORRUPT", `${what}: more came than the ${sizeBytes} bytes that it has`);
        await partial.append(segment, bytes);
        onProgress?.(segment.done);
      }
    } finally {
      attempt.abort();
    }
    if (segment && segment.done < sizeBytes) throw new PassingFault(`${what}: ${url.host} has cut the line`);
  });
  return sizeBytes;
}

/**
 * Reads a file again and compares. Rejects with ERR_DOWNLOAD_CORRUPT.
 *
 * @param digest SHA-256, or SHA-1 as git takes it of a file
 */
export async function verify(
  path: string,
  { digest, sizeBytes, what }: { readonly digest: string; readonly sizeBytes: number; readonly what: string },
  signal: AbortSignal,
  onProgress: (doneBytes: number) => void = () => {},
): Promise<void> {
  const hash = createHash(digest.length === 40 ? "sha1" : "sha256");
  if (digest.length === 40) hash.update(`blob ${sizeBytes}\0`);
  let done = 0;
  for await (const bytes of createReadStream(path, { highWaterMark: 2 ** 20 })) {
    signal.throwIfAborted();
    hash.update(bytes as Uint8Array);
    done += (bytes as Uint8Array).length;
    onProgress(done);
  }
  const found = hash.digest("hex");
  if (found === digest) return;
  throw new DownloadFault(
    "ERR_DOWNLOAD_CORRUPT",
    `${what} is not what it should be, and was removed: its checksum is ${found}, not ${digest}`,
  );
}
