/** One answer from a pair: the three stages one after the other, the text on stdout as it comes. */

import { type DecodeOptions, type DecodeResult, type LoadPairOptions, loadPair } from "../../../engine/index.js";
import type { Progress } from "../../progress.js";
import { type StageResults, stageSummary } from "../../stage-summary.js";
import { isOneOutput, styleOf, write } from "../../terminal.js";
import { toJson, visible, visibleLines } from "../../visible.js";

export interface AnswerOptions {
  readonly load: LoadPairOptions;
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
  const text = new AnswerText(!json, signal);
  // At once, before the stage has ended: a second Ctrl-C may leave no time later.
  const tidy = () => {
    progress.stop();
    text.endLine();
  };
  signal.addEventListener("abort", tidy);
  try {
    progress.update("loading", 0, 1);
    await using pair = await loadPair({
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
        await text.write(chunk.text);
      }
    } catch (error) {
      if (signal.aborted) await summarize(await stream.result);
      throw error;
    }
    const decode = await stream.result;
    text.endLine();
    if (json) {
      const result = {
        text: text.held,
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

/** The paths of a pair as they were given. */
export function filesOf({ prefill, decode }: LoadPairOptions): { readonly prefill: string; readonly decode: string } {
  return { prefill: String(prefill.model), decode: String((decode ?? prefill).model) };
}

async function printSummary({ json, quiet }: AnswerOptions, results: StageResults): Promise<void> {
  if (json || quiet) return;
  const gap = process.stderr.isTTY || isOneOutput() ? "\n" : "";
  await write(process.stderr, `${gap}${styleOf(process.stderr)("dim", stageSummary(visible(results)))}\n`);
}

/**
 * The answer's text on its way to stdout: exactly the answer, but on a terminal without control characters and with a line
 * break to end it.
 */
class AnswerText {
  readonly #shown: boolean;
  readonly #signal: AbortSignal;
  readonly #held: string[] = [];
  #openLine = false;

  /** @param shown false: keep the text in place of writing it */
  constructor(shown: boolean, signal: AbortSignal) {
    this.#shown = shown;
    this.#signal = signal;
  }

  /** The text that was kept. */
  get held(): string {
    return this.#held.join("");
  }

  async write(text: string): Promise<void> {
    if (text === "") return;
    if (!this.#shown) {
      this.#held.push(text);
      return;
    }
    this.#openLine = !text.endsWith("\n");
    await write(process.stdout, process.stdout.isTTY ? visibleLines(text) : text, this.#signal);
  }

  endLine(): void {
    if (this.#openLine && process.stdout.isTTY) process.stdout.write("\n");
    // With `2>&1` what stderr says would go on in the answer's last line.
    else if (this.#openLine && isOneOutput()) process.stderr.write("\n");
    this.#openLine = false;
  }
}
