/** What callers get of a stage, from what the binding gives. */

import { abortable, guardCallback } from "../internal/abortable.js";
import type { NativeHandoverReport, NativeSession } from "../internal/binding-types.js";
import type { DecodeStream } from "./decode-stream.js";
import type { DecodeChunk, PrefillOptions, PrefillProgress } from "./options.js";
import { type GeneratedAnswer, type HandoverReport, type PrefillResult, perSecond } from "./results.js";
import { type checkPrefillOptions, toNativePrefillOptions } from "./validation.js";

/** Of a prefill. Rejects with `signal.reason` when aborted, and with what `onProgress` throws. */
export async function readPrompt(
  session: NativeSession,
  input: string | Int32Array,
  checked: ReturnType<typeof checkPrefillOptions>,
  onProgress: PrefillOptions["onProgress"],
): Promise<PrefillResult> {
  const abort = () => session.abort();
  const progress = guardCallback(onProgress, abort);
  const report =
    progress.call &&
    ((tokens: number, totalTokens: number) => progress.call?.({ tokens, totalTokens } satisfies PrefillProgress));
  try {
    const native = await abortable(checked.signal, abort, () =>
      session.prefill(input, toNativePrefillOptions(checked), report),
    );
    progress.rethrow();
    const tokensPerSecond = perSecond(native.promptTokens + native.refreshedTokens - native.cachedTokens, native.ms);
    return { ...native, tokensPerSecond };
  } catch (error) {
    progress.rethrow();
    throw error;
  }
}

/** Of a switch. */
export function toReport({ msAhead, ...native }: NativeHandoverReport): HandoverReport {
  return { ...native, gigabytesPerSecond: perSecond(native.bytes / 1e9, native.ms + msAhead) };
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
