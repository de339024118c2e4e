/** One answer from a pair: the three stages one after the other, the text on stdout as it comes. */

import type { DecodeOptions, DecodeResult } from "../../../engine/index.js";
import { openPair } from "../../open-pair.js";
import type { FlaggedPair } from "../../pair-flags.js";
import type { Progress } from "../../progress.js";
import { type StageResults, stageSummary } from "../../stage-summary.js";
import { isOneOutput, styleOf, write } from "../../terminal.js";
import { Transcript } from "../../transcript.js";
import { toJson, visible } from "../../visible.js";

export interface AnswerOptions {
  readonly load: FlaggedPair;
  readonly decode: DecodeOptions;
  readonly prompt: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** One JSON object in place of the text. */
  readonly json: boolean;
  /** No summary. */
  readonly quiet: boolean;
}

export async function answer(options: AnswerOptions): Promise<void> {
  const { load, prompt, progress, signal, json } = options;
  const transcript = new Transcript({ quiet: options.quiet, endsLines: false });
  const held: string[] = [];
  // At once, before the stage has ended: a second Ctrl-C may leave no time later.
  const tidy = () => {
    progress.stop();
    transcript.endLine();
  };
  signal.addEventListener("abort", tidy);
  try {
    progress.update("loading", 0, 1);
    await using pair = await openPair({
      ...load,
      signal,
      onProgress: ({ fraction }) => progress.update("loading", fraction, 1),
    });
    await using session = await pair.createSession();
    progress.update("reading", 0, 1);
    const prefill = await session.prefill(prompt, {
      signal,
      onProgress: ({ tokens, totalTokens }) =>
        progress.update("reading", tokens, totalTokens, `${tokens}/${totalTokens} tokens`),
    });
    progress.stop();
    const handover = await session.switch({ signal });
    const stream = session.decode({ ...options.decode, signal });
    const summarize = (decode: DecodeResult) => printSummary(options, { prefill, handover, decode });
    const tokens: number[] = [];
    try {
      for await (const chunk of stream) {
        for (const token of chunk.tokens) tokens.push(token);
        if (json) held.push(chunk.text);
        else await transcript.text(chunk.text, signal);
      }
    } catch (error) {
      if (signal.aborted) await summarize(await stream.result);
      throw error;
    }
    const decode = await stream.result;
    transcript.endLine();
    if (json) {
      const result = {
        text: held.join(""),
        tokens,
        prefill,
        handover,
        decode,
        pair: { files: filesOf(load), ...pair.info },
      };
      await write(process.stdout, `${toJson(result)}\n`, signal);
    }
    await summarize(decode);
  } finally {
    signal.removeEventListener("abort", tidy);
    tidy();
  }
}

/** The paths of a pair as they were given; of a server that reads, its address. */
export function filesOf({ prefill, decode }: FlaggedPair): { readonly prefill: string; readonly decode: string } {
  const reader = "url" in prefill ? prefill.url : String(prefill.model);
  return { prefill: reader, decode: decode === undefined ? reader : String(decode.model) };
}

/** How the stages went, where nobody wants silence. */
export async function printSummary(
  { json, quiet }: Pick<AnswerOptions, "json" | "quiet">,
  results: StageResults,
): Promise<void> {
  if (json || quiet) return;
  const gap = process.stderr.isTTY || isOneOutput() ? "\n" : "";
  await write(process.stderr, `${gap}${styleOf(process.stderr)("dim", stageSummary(visible(results)))}\n`);
}
