/**
 * The lines of a data file, as they are needed: the file may be larger than memory. Bytes that are no UTF-8 make a bad
 * line; they never become U+FFFD in silence. A byte order mark of UTF-8 is passed over; files in UTF-16 and UTF-32 are
 * refused as a whole, since their line breaks are others. native/base/text_check.h has the same rules and words for what
 * training, importance and fitting read.
 */

import { createReadStream } from "node:fs";
import { createError } from "../../errors/create-error.js";
import { unreadable } from "../../internal/file-faults.js";

/** A line without its line break, or why it cannot be read. */
export interface DataLine {
  /** From 1. */
  readonly number: number;
  readonly text?: string;
  readonly problem?: string;
}

/** A longer line is no line of a data file, but another kind of file. */
const mostLineBytes = 64 * 2 ** 20;

const lineFeed = 0x0a;

/**
 * Lines that hold nothing but white space are passed over. Throws ERR_FILE_READ_FAILED; ERR_DATA_INVALID for a file in
 * another encoding or with a line of more than 64 MiB; the signal's reason.
 */
export async function* readLines(path: string, signal?: AbortSignal): AsyncGenerator<DataLine> {
  let number = 0;
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const chunk of readChunks(path, signal)) {
    if (number === 0 && pendingBytes === 0) refuseWideEncoding(chunk, path);
    let start = 0;
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, start)) {
      const line = decodeLine([...pending, chunk.subarray(start, end)], ++number);
      if (line) yield line;
      [start, pending, pendingBytes] = [end + 1, [], 0];
    }
    pending.push(chunk.subarray(start));
    pendingBytes += chunk.length - start;
    if (pendingBytes > mostLineBytes)
      throw createError("ERR_DATA_INVALID", `${path}:${number + 1}: the line is longer than 64 MiB`, {
        path,
        line: number + 1,
      });
  }
  const last = decodeLine(pending, ++number);
  if (last) yield last;
}

/** A text file whole, checked and decoded as a line is. Throws what {@link readLines} throws; `details.line` is 1. */
export async function readWholeText(path: string, signal?: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of readChunks(path, signal)) {
    if (chunks.length === 0) refuseWideEncoding(chunk, path);
    chunks.push(chunk);
  }
  const { text = "", problem } = decodeLine(chunks, 1) ?? {};
  if (problem !== undefined) throw createError("ERR_DATA_INVALID", `${path}: ${problem}`, { path, line: 1 });
  return text;
}

async function* readChunks(path: string, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  signal?.throwIfAborted();
  try {
    yield* createReadStream(path, { ...(signal && { signal }) }) as AsyncIterable<Buffer>;
  } catch (error) {
    signal?.throwIfAborted();
    throw createError("ERR_FILE_READ_FAILED", unreadable(path, error), { path }, error);
  }
}

/** By the byte order mark, or by the zero bytes beside the first character of ASCII. */
function refuseWideEncoding(start: Buffer, path: string): void {
  const [a = -1, b = -1, c = -1, d = -1] = start;
  const isWide = (a === 0xff && b === 0xfe && c === 0 && d === 0) || (a === 0 && b === 0);
  const isWideLittle = a > 0 && b === 0 && c === 0 && d === 0;
  const isLittle = (a === 0xff && b === 0xfe) || (a > 0 && b === 0);
  const isBig = (a === 0xfe && b === 0xff) || (a === 0 && b > 0);
  if (!isWide && !isWideLittle && !isLittle && !isBig) return;
  const encoding = isWide || isWideLittle ? "UTF-32" : isLittle ? "UTF-16LE" : "UTF-16BE";
  const message = `${path}:1: the file is in ${encoding}, or is not text; expected UTF-8`;
  throw createError("ERR_DATA_INVALID", message, { path, line: 1 });
}

/** Undefined for a blank line. */
function decodeLine(parts: readonly Buffer[], number: number): DataLine | undefined {
  const bytes = Buffer.concat(parts);
  try {
    // A decoder for each line: it takes the byte order mark off, which belongs to the first line alone.
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: number > 1 }).decode(bytes);
    if (text.includes("\0")) return { number, problem: "it contains a zero byte" };
    return text.trim() === "" ? undefined : { number, text };
  } catch {
    return { number, problem: "it is not UTF-8 (probably Latin-1 or Windows-1252)" };
  }
}
