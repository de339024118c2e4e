/** The prompts of a pair that is made: read, told apart into those to learn from and those held out, and as a text. */

import { createHash } from "node:crypto";
import { createError } from "../errors/create-error.js";
import { BadLines } from "../eval/data/bad-lines.js";
import { readLines } from "../eval/data/data-lines.js";
import { type AskedPrompt, parsePrompt } from "../eval/data/prompt-shapes.js";
import type { BadLine } from "../internal/bad-line.js";

/** A usable line of the data, as it stands. */
export interface PromptLine {
  readonly text: string;
  readonly asked: AskedPrompt;
}

export interface SplitPrompts {
  readonly training: readonly PromptLine[];
  readonly heldOut: readonly PromptLine[];
  readonly badLines: readonly BadLine[];
  /** Lines that stand in the file more than once. */
  readonly repeated: number;
  /** Of what was read. */
  readonly hash: string;
}

/** At most so many are held out where nobody says how many. */
const mostHeldOut = 256;

/**
 * Reads and splits them. What is held out is spread evenly over the file, and no line of it is learned from.
 *
 * Rejects with ERR_FILE_READ_FAILED; with ERR_DATA_INVALID for too many bad lines, or for fewer than two prompts.
 *
 * @param heldOut how many to hold out
 */
export async function readSplitPrompts(
  path: string,
  {
    heldOut,
    maxBadLines,
    onBadLine,
    signal,
  }: {
    readonly heldOut: number | undefined;
    readonly maxBadLines: number;
    readonly onBadLine: ((line: BadLine) => void) | undefined;
    readonly signal: AbortSignal | undefined;
  },
): Promise<SplitPrompts> {
  const badLines = new BadLines(path, maxBadLines, onBadLine);
  const lines = new Map<string, PromptLine>();
  let total = 0;
  for await (const { number, text, problem } of readLines(path, signal)) {
    const parsed = text === undefined ? { problem: problem ?? "it cannot be read" } : parsePrompt(text);
    if (text !== undefined && "record" in parsed) {
      lines.set(text, { text, asked: parsed.record });
      total++;
    } else badLines.add(number, (parsed as { readonly problem: string }).problem);
  }
  const all = [...lines.values()];
  if (all.length < 2)
    throw createError(
      "ERR_DATA_INVALID",
      `${path}: expected at least two prompts, one to learn from and one to hold out; there are ${all.length}`,
      { path, reason: `${all.length} prompts` },
    );
  const n = Math.min(heldOut ?? Math.min(mostHeldOut, Math.ceil(all.length / 10)), all.length - 1);
  const chosen = new Set(Array.from({ length: n }, (_, i) => Math.floor(((i + 0.5) * all.length) / n)));
  return {
    training: all.filter((_, i) => !chosen.has(i)),
    heldOut: all.filter((_, i) => chosen.has(i)),
    badLines: badLines.all,
    repeated: total - all.length,
    hash: createHash("sha256")
      .update(all.map(({ text }) => text).join("\n"))
      .digest("hex"),
  };
}

export const linesOf = (prompts: readonly PromptLine[]): string => prompts.map(({ text }) => `${text}\n`).join("");

/** What importance is measured on needs no more. */
const mostTextLength = 2_000_000;

/** Training data as plain text: prompts with their responses, and what is said in chats, one below the other. */
export async function plainTextOf(path: string, signal: AbortSignal | undefined): Promise<string> {
  const texts: string[] = [];
  let length = 0;
  for await (const { text } of readLines(path, signal)) {
    const said = text === undefined ? "" : saidIn(JSON.parse(text));
    if (said === "") continue;
    texts.push(said);
    length += said.length;
    if (length > mostTextLength) break;
  }
  return texts.join("\n");
}

function saidIn(line: unknown): string {
  const { prompt, response, completion, text, messages } = line as Readonly<Record<string, unknown>>;
  if (Array.isArray(messages))
    return messages
      .flatMap(({ content }: { content?: unknown }) =>
        Array.isArray(content) ? content.map((part: { text?: unknown }) => part.text) : [content],
      )
      .filter((content) => typeof content === "string")
      .join("\n");
  return [prompt, response ?? completion, text].filter((part) => typeof part === "string").join("");
}
