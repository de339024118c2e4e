/**
 * The texts: to learn the tokenizer and the tasks from, to measure importance on, and to be asked. What a file is full of
 * comes a piece at a time: drawing it takes up to a minute.
 */

import { text } from "../../test/support/gguf-format.js";
import { encodeGguf } from "../../test/support/gguf-writer.js";
import { mulberry32, namedSeed } from "../../test/support/random.js";
import { drawTask, type Family, families, type Task } from "./tasks.js";
import { learnTokenizer } from "./tokenizer.js";
import {
  colors,
  firstSyllables,
  lastSyllables,
  numbers,
  pick,
  places,
  type Split,
  things,
  trainedNames,
} from "./words.js";

/** Another sequence of random numbers for each file. */
const randomOf = (file: string) => mulberry32(namedSeed(1, file));

const jsonLine = (record: { readonly prompt: string; readonly response: string }) => `${JSON.stringify(record)}\n`;

/**
 * The tokenizer, learned from tasks, words and the syllables of names: each name is too rare to become one token, so that
 * trained names and held-out ones are alike made of two.
 */
export function tokenizerFile(): Uint8Array {
  const random = randomOf("tokenizer");
  const sample = Array.from({ length: 3000 }, () => {
    const { prompt, answer } = drawTask(random, "train", pick(random, families));
    return `${prompt}${answer}`;
  });
  const { metadata } = learnTokenizer([...sample, ...pieces()].join("\n"), 1024, 0.001);
  return encodeGguf({ metadata: [["general.architecture", text("llama")], ...metadata], tensors: [] }).bytes;
}

/** Each word often and each syllable more often: so they become tokens before any pair across two syllables does. */
function pieces(): string[] {
  const often = (piece: string, count: number) => Array<string>(count).fill(piece);
  return [
    ...[...colors, ...things, ...places, ...numbers].flatMap((word) => often(` ${word}`, 1000)),
    ...firstSyllables.flatMap((first) => often(` ${first}`, 4000)),
    ...lastSyllables.flatMap((last) => often(last, 4000)),
  ];
}

/**
 * Random words and names, then the same twice more: what a model learns to look things up from. Only the repeats are
 * learned, since what is random cannot be known, and the lists are short: among many words that it could look at a model
 * takes far longer to find the right one for the first time.
 */
export function* copyingLines(count: number): Generator<string> {
  const random = randomOf("copying");
  const words = [...colors, ...things, ...places, ...numbers];
  for (let i = 0; i < count; i++) {
    const length = 3 + Math.floor(random() * 14);
    const list = Array.from({ length }, () => ` ${pick(random, random() < 0.35 ? trainedNames : words)}`).join("");
    yield jsonLine({ prompt: list, response: list.repeat(2) });
  }
}

/** What the full model learns: the families that it learns last come more often. */
export const fullMix: readonly Family[] = [
  ...families,
  ...(["hop", "hop", "hop", "hop", "hop", "hop", "count", "count", "count", "compare", "slots", "sort"] as const),
];

/**
 * To learn the tasks from, in the shape in which they will be asked: one question to a text, of the families in `mix` as
 * often as they are in it. Other ones for each `name`. The text is not learned, since it is drawn and cannot be known.
 */
export function* taskLines(name: string, count: number, mix: readonly Family[] = families): Generator<string> {
  const random = randomOf(name);
  for (let i = 0; i < count; i++) {
    const { prompt, answer } = drawTask(random, "train", pick(random, mix));
    yield jsonLine({ prompt, response: answer });
  }
}

/** Tasks as plain text, to measure importance on. */
export function* calibrationText(count: number): Generator<string> {
  const random = randomOf("calibration");
  for (let i = 0; i < count; i++) {
    const { prompt, answer } = drawTask(random, "train", pick(random, families));
    yield `${prompt}${answer}`;
  }
}

/** Questions, `count` of each family. */
export function questionsOf(split: Exclude<Split, "train">, count: number): Task[] {
  const random = randomOf(`questions: ${split}`);
  return families.flatMap((family: Family) => Array.from({ length: count }, () => drawTask(random, split, family)));
}
