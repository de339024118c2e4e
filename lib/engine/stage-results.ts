/** What callers get of a stage, from what the binding gives. */

import type { NativeHandoverReport } from "../internal/binding-types.js";
import type { DecodeStream } from "./decode-stream.js";
import type { DecodeChunk } from "./options.js";
import { type GeneratedAnswer, type HandoverReport, perSecond } from "./results.js";

/** Of a switch. */
export function toReport(native: NativeHandoverReport): HandoverReport {
  return { ...native, gigabytesPerSecond: perSecond(native.bytes / 1e9, native.ms) };
}

/** Reads an answer to its end. */
export async function readAnswer(
  stream: DecodeStream,
  onChunk: ((chunk: DecodeChunk) => void) | undefined,
): Promise<GeneratedAnswer> {
  const texts: string[] = [];
  const tokens: number[] = [];
  for await (const chunk of stream) {
    texts.push(chunk.text);
    for (const token of chunk.tokens) tokens.push(token);
    onChunk?.(chunk);
  }
  return { text: texts.join(""), tokens, decode: await stream.result };
}
