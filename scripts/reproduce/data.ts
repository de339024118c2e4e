/** The files of texts: to learn the tokenizer and the tasks from, to measure importance on, and to be asked. */

import { text } from "../../test/support/gguf-format.js";
import { encodeGguf } from "../../test/support/gguf-writer.js";
import { mulberry32, namedSeed, type Random } from "../../test/support/random.js";
import { drawTask, type Family, families, type Task } from "./tasks.js";
import { learnTokenizer } from "./tokenizer.js";
import { colors, names, numbers, pick, places, type Split, things, trainedNames } from "./words.js";

/** Another sequence of random numbers for each file. */
const randomOf = (file: string) => mulberry32(namedSeed(1, file));

const jsonLines = (records: readonly unknown[]) => records.map((record) => `${JSON.stringify(record)}\n`).join("");

/**
 * The tokenizer, learned from tasks and from all names a few times: each name is too rare to become one token, so that
 * trained names and held-out ones are alike made of syllables.
 */
export function tokenizerFile(): Uint8Array {
  const random = randomOf("tokenizer");
  const sample = Array.from({ length: 3000 }, () => {
    const { prompt, answer } = drawTask(random, "train", pick(random, families));
    return `${prompt}${answer}`;
  });
  const { metadata } = learnTokenizer([...sample, ...syllables(random)].join("\n"), 1024, 0.001);
  return encodeGguf({ metadata: [["general.architecture", text("llama")], ...metadata], tensors: [] }).bytes;
}

/** Every name a few times. */
function syllables(random: Random): string[] {
  return Array.from({ length: 4 * names.length }, () => ` ${pick(random, names)}`);
}

/**
 * Random words over and over: what a model learns from to look things up. First lines, three times each and most of them
 * names, then four times and with fewer names, on one line: in the steps that were tried, a model of this size
 * learnt to copy from the second kind only where the first had come before, and stayed at half of it with the first alone.
 */
export function copyingFile(part: "first" | "second", count: number): string {
  const random = randomOf(`copying, ${part}`);
  const words = [...colors, ...things, ...places, ...numbers];
  const kinds = {
    first: { least: 8, most: 24, names: 0.5, others: [...words, ...trainedNames], times: 3, start: "\n" },
    second: { least: 6, most: 19, names: 0.35, others: words, times: 4, start: "" },
  };
  const { least, most, names, others, times, start } = kinds[part];
  const records = Array.from({ length: count }, () => {
    const drawn = Array.from({ length: least + Math.floor(random() * (most - least + 1)) }, () =>
      pick(random, random() < names ? trainedNames : others),
    );
    return { text: `${start}${drawn.map((word) => ` ${word}`).join("")}`.repeat(times) };
  });
  return jsonLines(records);
}

/**
 * Tasks of all families alike. Only answers are learned: the stories themselves are drawn and cannot be known, and a model
 * that tries to gets on more slowly.
 */
export function tasksFile(name: "full" | "heal", count: number): string {
  const random = randomOf(name);
  const draw = () => drawTask(random, "train", pick(random, families));
  return jsonLines(Array.from({ length: count }, draw).map(({ prompt, answer }) => ({ prompt, response: answer })));
}

/** The same as plain text, to measure importance on. */
export function calibrationFile(count: number): string {
  const random = randomOf("calibration");
  return Array.from({ length: count }, () => {
    const { prompt, answer } = drawTask(random, "train", pick(random, families));
    return `${prompt}${answer}`;
  }).join("");
}

/** Questions, `count` of each family. */
export function questionsOf(split: Exclude<Split, "train">, count: number): Task[] {
  const random = randomOf(split);
  return families.flatMap((family: Family) => Array.from({ length: count }, () => drawTask(random, split, family)));
}
