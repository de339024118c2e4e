/** The prompts that a benchmark answers: of the data, given ones, or pieces of this package's documentation. */

import { join } from "node:path";
import type { Pair } from "../../engine/index.js";
import { ownFolder } from "../../internal/package-files.js";
import type { BadLines } from "../data/bad-lines.js";
import { readWholeText } from "../data/data-lines.js";
import { nothingUsable, type OpenData } from "../data/data-source.js";
import { ExampleEncoder, UnusableRecord } from "../examples.js";
import type { CheckedBenchOptions } from "./validation.js";

export interface BenchPrompt {
  readonly tokens: readonly number[];
  /** What the data says to it. */
  readonly response?: readonly number[];
  /** Whether it is a piece of a text, which has no end that a model would come to, as an answer to a question has. */
  readonly isPiece: boolean;
}

/** So many examples of the data are looked at for prompts of different lengths. */
const mostLookedAt = 1024;
/** An answer has a first token, which takes no place, and others, whose speed is measured. */
const leastRoom = 2;
/** Prompts that are made, of each length. */
const madePerLength = 2;

/** Rejects with ERR_DATA_INVALID for data without a prompt that can be used, and with the signal's reason. */
export async function promptsOfData(
  pair: Pair,
  data: OpenData,
  badLines: BadLines,
  { maxExamples, signal }: CheckedBenchOptions,
): Promise<BenchPrompt[]> {
  const { contextSize } = pair.info;
  const encoder = new ExampleEncoder(pair, { contextSize, windowSize: Math.min(512, contextSize) });
  const examples: BenchPrompt[] = [];
  reading: for await (const { line, record } of data.records) {
    signal?.throwIfAborted();
    try {
      for (const { prompt, response } of await encoder.toResponses(line, record)) {
        if (prompt.length + leastRoom > contextSize)
          throw new UnusableRecord("the prompt leaves no room for an answer");
        const isPiece = record.kind === "text";
        if (examples.push({ tokens: prompt, response, isPiece }) === mostLookedAt) break reading;
      }
    } catch (error) {
      if (!(error instanceof UnusableRecord)) throw error;
      badLines.add(line, error.message);
    }
  }
  if (examples.length === 0) throw nothingUsable(badLines.path, badLines);
  return spread(
    examples.sort((a, b) => a.tokens.length - b.tokens.length),
    maxExamples,
  );
}

/** So many of them, evenly from the first to the last. */
function spread<Value>(values: readonly Value[], count: number): Value[] {
  if (values.length <= count) return [...values];
  return Array.from({ length: count }, (_, i) => {
    const place = count === 1 ? (values.length - 1) / 2 : (i * (values.length - 1)) / (count - 1);
    return values[Math.round(place)] as Value;
  });
}

export async function givenPrompts(
  pair: Pair,
  prompts: NonNullable<CheckedBenchOptions["prompts"]>,
): Promise<BenchPrompt[]> {
  const all: BenchPrompt[] = [];
  for (const prompt of prompts)
    all.push({
      isPiece: false,
      tokens:
        typeof prompt === "string"
          ? await pair.tokenizeAsync(prompt, { addSpecial: true, parseSpecial: true })
          : Array.from(prompt),
    });
  return all;
}

/** Long enough for the longest prompts that are usual, and real English, since how often models agree goes by the text. */
const pages = ["heal.md", "prune.md", "eval.md", "handover.md"];

/** Two prompts of each length that fits. */
export async function madePrompts(
  pair: Pair,
  { promptLengths, maxTokens, signal }: CheckedBenchOptions,
): Promise<BenchPrompt[]> {
  const texts: string[] = [];
  for (const page of pages) texts.push(await readWholeText(join(ownFolder(), "docs", page), signal));
  const text = await pair.tokenizeAsync(texts.join("\n\n"));
  const beginning = await pair.tokenizeAsync("", { addSpecial: true });
  const { contextSize } = pair.info;
  const fitting = promptLengths.filter((length) => length + maxTokens <= contextSize);
  const lengths = fitting.length > 0 ? fitting : [Math.max(1, contextSize - maxTokens)];
  let from = 0;
  return lengths
    .toSorted((a, b) => a - b)
    .flatMap((length) =>
      Array.from({ length: madePerLength }, (): BenchPrompt => {
        const wanted = Math.max(1, length - beginning.length);
        if (from + wanted > text.length) from = 0;
        const piece = text.slice(from, from + wanted);
        from += wanted;
        return { tokens: [...beginning, ...piece], isPiece: true };
      }),
    );
}
