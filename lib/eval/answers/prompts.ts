/** The prompts of a run: lines of a data file, then windows of plain texts. */

import type { Pair } from "../../engine/index.js";
import { createError } from "../../errors/create-error.js";
import { toPath } from "../../internal/check-options.js";
import type { BadLines } from "../data/bad-lines.js";
import { readLines, readWholeText } from "../data/data-lines.js";
import { nothingUsable } from "../data/data-source.js";
import { type AskedPrompt, parsePrompt } from "../data/prompt-shapes.js";
import type { CheckedAnswerOptions } from "./validation.js";

/** A prompt and where it comes from. */
export interface NumberedPrompt {
  readonly path: string;
  /** From 1; of a plain text 1. */
  readonly line: number;
  readonly asked: AskedPrompt;
}

/** A plain text as it was read. */
export interface DocumentText {
  readonly path: string;
  readonly text: string;
}

/**
 * The prompts of the data file. Throws ERR_FILE_READ_FAILED; ERR_DATA_INVALID for one without a usable line, in another
 * encoding, or with too many bad lines; the signal's reason.
 */
export async function readPrompts(
  path: string,
  badLines: BadLines,
  signal: AbortSignal | undefined,
): Promise<NumberedPrompt[]> {
  const prompts: NumberedPrompt[] = [];
  for await (const { number: line, text, problem } of readLines(path, signal)) {
    const parsed = text === undefined ? { problem: problem ?? "it cannot be read" } : parsePrompt(text);
    if ("record" in parsed) prompts.push({ path, line, asked: parsed.record });
    else badLines.add(line, parsed.problem);
  }
  if (prompts.length === 0) throw nothingUsable(path, badLines);
  return prompts;
}

/** Throws ERR_FILE_READ_FAILED; ERR_DATA_INVALID for an empty file or one in another encoding; the signal's reason. */
export async function readDocuments({
  fromText,
  signal,
}: Pick<CheckedAnswerOptions, "fromText" | "signal">): Promise<DocumentText[]> {
  const documents: DocumentText[] = [];
  for (const file of fromText) {
    const path = toPath(file, "options.fromText");
    const text = await readWholeText(path, signal);
    if (text.trim() === "") throw createError("ERR_DATA_INVALID", `${path} is empty`, { path, line: 1 });
    documents.push({ path, text });
  }
  return documents;
}

/**
 * Whole windows of a text one after the other, as text again; a text that is shorter is one by itself, and what is left
 * over behind the last window is not asked.
 */
export async function cutPrompts(
  pair: Pick<Pair, "tokenizeAsync" | "detokenizeAsync">,
  { path, text }: DocumentText,
  { promptTokens = 128, template }: Pick<CheckedAnswerOptions, "promptTokens" | "template">,
): Promise<NumberedPrompt[]> {
  const tokens = await pair.tokenizeAsync(text);
  const size = Math.min(promptTokens, tokens.length);
  const prompts: NumberedPrompt[] = [];
  for (let start = 0; size > 0 && start + size <= tokens.length; start += size) {
    // Where a window ends within a character, that one goes.
    const prompt = (await pair.detokenizeAsync(tokens.slice(start, start + size))).replace(/^\uFFFD+|\uFFFD+$/g, "");
    if (prompt.trim() === "") continue;
    const asked: AskedPrompt =
      template === undefined
        ? { kind: "continuation", prompt }
        : { kind: "chat", messages: [{ role: "user", content: template.replaceAll("{text}", () => prompt) }] };
    prompts.push({ path, line: 1, asked });
  }
  return prompts;
}
