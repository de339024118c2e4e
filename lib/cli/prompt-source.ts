/** Where the prompt comes from: the command line, a file, or stdin if something is piped into it. */

import { fstatSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { UsageError } from "./exit.js";
import { FileFault } from "./files.js";

export interface PromptFlags {
  readonly prompt?: string;
  readonly file?: string;
}

export interface ReadPromptOptions {
  readonly signal: AbortSignal;
  /**
   * How long a piped stdin that nobody named may stay silent before it counts as no prompt. Programs that start others
   * often leave a pipe there that never says anything.
   * @default for ever
   */
  readonly silenceMs?: number;
}

/** The prompt, or `undefined` if there is none. An empty pipe is none; an empty file or `-p ""` is refused. */
export async function readPrompt(flags: PromptFlags, options: ReadPromptOptions): Promise<string | undefined> {
  if (flags.prompt !== undefined) return refuseEmpty(flags.prompt, "the prompt is empty");
  if (flags.file === "-")
    return refuseEmpty(await readText(process.stdin, { signal: options.signal }), "stdin is empty");
  if (flags.file !== undefined)
    return refuseEmpty(await readTextFile(flags.file, options.signal), `the prompt in ${flags.file} is empty`);
  if (!isPiped()) return undefined;
  const text = await readText(process.stdin, options);
  return text === "" ? undefined : text;
}

/** A text file whole, but the line break at its end. Rejects with a UsageError for what is not UTF-8. */
export async function readTextFile(path: string, signal: AbortSignal): Promise<string> {
  try {
    return decode(await readFile(path, { signal }), path);
  } catch (error) {
    signal.throwIfAborted();
    throw new FileFault(path, "read", error);
  }
}

/**
 * A stream whole, but the line break at its end; "" if it stays silent for too long. Rejects with the signal's reason, and
 * with a UsageError for what is not UTF-8.
 */
export function readText(stream: Readable, { signal, silenceMs }: ReadPromptOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const finish = (settle: () => void) => {
      clearTimeout(silence);
      signal.removeEventListener("abort", onAbort);
      // An open pipe would keep the process alive.
      stream.destroy();
      settle();
    };
    const onAbort = () => finish(() => reject(signal.reason));
    const silence = silenceMs === undefined ? undefined : setTimeout(() => finish(() => resolve("")), silenceMs);
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort);
    stream.on("data", (chunk: Buffer) => {
      clearTimeout(silence);
      chunks.push(chunk);
    });
    stream.once("end", () =>
      finish(() => {
        try {
          resolve(decode(Buffer.concat(chunks), "stdin"));
        } catch (error) {
          reject(error);
        }
      }),
    );
    stream.once("error", (error) => finish(() => reject(error)));
  });
}

/** A text in another encoding would be read as nonsense without a word. */
function decode(bytes: Buffer, source: string): string {
  const [a, b] = bytes;
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff))
    throw new UsageError(`${source} is in UTF-16 or UTF-32; expected UTF-8`);
  if (bytes.includes(0)) throw new UsageError(`there is a zero byte in ${source}; expected a text in UTF-8`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\r?\n$/, "");
  } catch {
    throw new UsageError(`${source} is not UTF-8 (probably Latin-1 or Windows-1252)`);
  }
}

function refuseEmpty(text: string, message: string): string {
  if (text === "") throw new UsageError(message);
  return text;
}

/** Whether stdin is a pipe, a socket or a file, rather than a terminal, /dev/null or closed. */
function isPiped(): boolean {
  try {
    const stdin = fstatSync(0);
    return stdin.isFIFO() || stdin.isFile() || stdin.isSocket();
  } catch {
    // Closed: there is nothing to read.
    return false;
  }
}
