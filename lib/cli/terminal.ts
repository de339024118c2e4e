/** Writing to stdout and stderr: back-pressure, a reader that goes away, colour. */

import { fstatSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { WriteStream } from "node:tty";
import { styleText } from "node:util";
import { QuietExit } from "./exit.js";

type Format = Parameters<typeof styleText>[0];
export type Style = (format: Format, text: string) => string;

/** Colours for a stream: if it is a terminal that has them, or FORCE_COLOR asks for them; NO_COLOR is honoured. */
export function styleOf(stream: NodeJS.WriteStream): Style {
  // Node's own rules about both variables, which a stream that is no terminal does not ask by itself.
  const isAsked = stream.isTTY || process.env.FORCE_COLOR !== undefined;
  const coloured = isAsked && WriteStream.prototype.getColorDepth.call(stream, process.env) > 1;
  return (format, text) => (coloured ? styleText(format, text, { validateStream: false }) : text);
}

/** How wide a line may be: the terminal's width, or what COLUMNS says of a stream that is none; Infinity otherwise. */
export function columnsOf(stream: NodeJS.WriteStream): number {
  if (stream.isTTY) return stream.columns > 0 ? stream.columns : 80;
  const columns = Number(process.env.COLUMNS);
  return Number.isInteger(columns) && columns > 0 ? columns : Number.POSITIVE_INFINITY;
}

/** Whether stdout and stderr end up in one place that is no terminal, as with `2>&1`. */
export function isOneOutput(): boolean {
  if (process.stdout.isTTY || process.stderr.isTTY) return false;
  try {
    const [out, err] = [fstatSync(1), fstatSync(2)];
    return !out.isCharacterDevice() && out.dev === err.dev && out.ino === err.ino;
  } catch {
    // One of them is closed.
    return false;
  }
}

/**
 * Writes, and waits until the text is out. Rejects with a silent success if the reader has gone (`overfill run | head`),
 * with the signal's reason if it fires while the reader takes nothing, and with the system's error otherwise.
 */
export async function write(stream: NodeJS.WriteStream, text: string, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  let onAbort = () => {};
  try {
    await new Promise<void>((resolve, reject) => {
      onAbort = () => reject(signal?.reason);
      signal?.addEventListener("abort", onAbort);
      stream.write(text, (error) => {
        const code = (error as NodeJS.ErrnoException | null | undefined)?.code;
        // EIO is what writing to a terminal that was closed gives.
        const isGone = code === "EPIPE" || code === "EIO";
        // What is lost with stderr are words about the work, not the work.
        if (!error || (isGone && stream === process.stderr)) resolve();
        else reject(isGone ? (signal?.reason ?? new QuietExit(0)) : error);
      });
    });
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
  // A terminal is written to at once, so that a loop of writes would never let Node see a Ctrl-C.
  await nextTurn();
}
