/**
 * The texts that a command writes beside its answer: reports, plots, lines of JSON. `-` and the names of the standard
 * streams are the streams themselves; everything else is written by the native part, by the rules that models are written
 * by (native/base/output_target.h), so that there is one way of writing files.
 */

import { type FileHandle, open } from "node:fs/promises";
import { runJob } from "../internal/abortable.js";
import { loadBinding } from "../internal/load-binding.js";
import { FileFault } from "./files.js";
import { write } from "./terminal.js";
import { visibleLines } from "./visible.js";

/** Opening these by name fails where they are sockets, and would write over what a file has got already. */
const stdoutNames = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
const stderrNames = ["/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"];

/** Whether what is written to this path comes out on stdout. */
export const isStdout = (path: string | undefined): boolean => path !== undefined && stdoutNames.includes(path);

function standardStream(path: string): NodeJS.WriteStream | undefined {
  if (isStdout(path)) return process.stdout;
  return stderrNames.includes(path) ? process.stderr : undefined;
}

/** Before long work: rejects with ERR_FILE_WRITE_FAILED for a path that could not be written in the end. */
export async function checkOutputs(paths: readonly (string | undefined)[]): Promise<void> {
  for (const path of paths)
    if (path !== undefined && !standardStream(path)) await runJob(() => loadBinding().checkTextOutput(path));
}

/** Writes a text whole, or not at all where there is a file to be replaced. Rejects with ERR_FILE_WRITE_FAILED. */
export async function writeOutput(path: string, text: string, signal?: AbortSignal): Promise<void> {
  const stream = standardStream(path);
  if (stream) await write(stream, visibleLines(text), signal);
  else await runJob(() => loadBinding().writeText(path, text), signal);
}

/** Lines that are written as they come, and stay when the work ends early. */
export class LineOutput {
  #written: Promise<unknown> = Promise.resolve();
  #closed = false;

  private constructor(
    readonly path: string,
    readonly target: FileHandle | NodeJS.WriteStream,
  ) {}

  /** Rejects with ERR_FILE_WRITE_FAILED. */
  static async create(path: string): Promise<LineOutput> {
    const stream = standardStream(path);
    if (stream) return new LineOutput(path, stream);
    await checkOutputs([path]);
    return new LineOutput(
      path,
      await open(path, "w").catch((error) => {
        throw new FileFault(path, "written", error);
      }),
    );
  }

  add(line: string): void {
    const { target } = this;
    this.#written = this.#written.then(() =>
      "appendFile" in target ? target.appendFile(`${line}\n`) : write(target, `${visibleLines(line)}\n`),
    );
    // Told by `close`, which waits for all of them; until then it is handled.
    this.#written.catch(() => {});
  }

  /** Rejects with what kept a line from being written, the first time. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.#written;
    } catch (error) {
      // A reader of stdout that went away is no fault of the file.
      if (!(error instanceof Error && "syscall" in error)) throw error;
      throw new FileFault(this.path, "written", error);
    } finally {
      if ("appendFile" in this.target) await this.target.close();
    }
  }
}
