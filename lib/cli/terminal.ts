/** Writing to stdout and stderr: back-pressure, a reader that goes away, colour. */

import { setImmediate as nextTurn } from "node:timers/promises";
import { styleText } from "node:util";
import { QuietExit } from "./exit.js";

type Format = Parameters<typeof styleText>[0];
export type Style = (format: Format, text: string) => string;

/** Colours for a stream: none unless it is a terminal that has them; NO_COLOR is heard. */
export function styleOf(stream: NodeJS.WriteStream): Style {
  // `hasColors` asks NO_COLOR and its like; newer Nodes would look at stdout again, whatever stream is meant.
  const coloured = stream.isTTY && stream.hasColors();
  return (format, text) => (coloured ? styleText(format, text, { validateStream: false }) : text);
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
        if (!error) resolve();
        else reject((error as NodeJS.ErrnoException).code === "EPIPE" ? new QuietExit(0) : error);
      });
    });
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
  // A terminal is written to at once, so that a loop of writes would never let Node see a Ctrl-C.
  await nextTurn();
}
