/** The reproduction's texts: every answer is the one that another way of reading finds, and what is held out is held out. */

import test from "ava";
import fc from "fast-check";
import { questionsOf, taskLines } from "../../scripts/reproduce/data.js";
import { solve } from "../../scripts/reproduce/solve.js";
import { fewestPeople, mostPeople } from "../../scripts/reproduce/story.js";
import { drawTask, families, longestCopy, shortestCopy, type Task } from "../../scripts/reproduce/tasks.js";
import {
  colors,
  firstSyllables,
  heldOutLength,
  heldOutNames,
  isHeldOutCombination,
  lastSyllables,
  names,
  type Split,
  things,
  trainedNames,
} from "../../scripts/reproduce/words.js";
import { mulberry32 } from "../support/random.js";

const seeds = fc.integer({ min: 0, max: 2 ** 31 });
const splits = fc.constantFrom<Split>("train", "seen", "heldOut");
const family = fc.constantFrom(...families);

const wordsOf = (text: string) => text.split(/\s+/);
const namesIn = (text: string) => wordsOf(text).filter((word) => names.includes(word));
/** Neighbours of a color and a thing, in stories; a list of words to copy has any neighbours. */
function combinationsIn({ family, prompt, answer }: Task): [string, string][] {
  if (family === "copy") return [];
  const words = wordsOf(prompt + answer);
  return words.flatMap((word, i) =>
    colors.includes(word) && things.includes(words[i + 1] ?? "")
      ? [[word, words[i + 1] ?? ""] as [string, string]]
      : [],
  );
}
function lengthOf({ family, prompt }: Task): number {
  if (family === "copy") return wordsOf(/Words (.+)\n/.exec(prompt)?.[1] ?? "").length;
  return [...prompt.matchAll(/ has \d|^ \w+ \d+ \w+ \w+ \w+$/gm)].length;
}
const middleOf = (task: Task) =>
  task.family === "copy" ? heldOutLength(shortestCopy, longestCopy) : heldOutLength(fewestPeople, mostPeople);

test("an independent reading of the prompt comes to the same answer", (t) => {
  fc.assert(
    fc.property(seeds, splits, family, (seed, split, family) => {
      const { prompt, answer } = drawTask(mulberry32(seed), split, family);
      t.is(solve(prompt), answer);
    }),
    { numRuns: 1000 },
  );
});

test("equal seeds give equal tasks, others differ", (t) => {
  fc.assert(
    fc.property(seeds, splits, family, (seed, split, family) => {
      const draw = (from: number) => drawTask(mulberry32(from), split, family);
      t.deepEqual(draw(seed), draw(seed));
      t.notDeepEqual(draw(seed), draw(seed + 1));
    }),
  );
  t.deepEqual(questionsOf("heldOut", 3), questionsOf("heldOut", 3));
});

test("training has no held-out name, combination or length", (t) => {
  fc.assert(
    fc.property(seeds, family, fc.constantFrom<Split>("train", "seen"), (seed, family, split) => {
      const task = drawTask(mulberry32(seed), split, family);
      t.true(namesIn(task.prompt).every((name) => trainedNames.includes(name)));
      t.true(combinationsIn(task).every(([color, thing]) => !isHeldOutCombination(color, thing)));
      t.not(lengthOf(task), middleOf(task));
    }),
    { numRuns: 1000 },
  );
});

test("what is learned from is in the shape of what is asked, and another file has other tasks", (t) => {
  const linesOf = (name: string) => [...taskLines(name, 400)];
  const lines = linesOf("full");
  for (const line of lines) {
    const { prompt, response } = JSON.parse(line) as { prompt: string; response: string };
    t.is(solve(prompt), response);
    t.true(namesIn(`${prompt}${response}`).every((name) => trainedNames.includes(name)));
  }
  const others = new Set(linesOf("heal"));
  t.true(lines.every((line) => !others.has(line)));
});

test("held-out questions have held-out names only, and often held-out combinations and lengths", (t) => {
  const tasks = questionsOf("heldOut", 100);
  for (const task of tasks) t.true(namesIn(task.prompt).every((name) => heldOutNames.includes(name)));
  const stories = tasks.filter(({ family }) => family !== "copy");
  const withCombination = stories.filter((task) =>
    combinationsIn(task).some(([color, thing]) => isHeldOutCombination(color, thing)),
  );
  t.true(withCombination.length > stories.length / 2);
  const share = tasks.filter((task) => lengthOf(task) === middleOf(task)).length / tasks.length;
  t.true(share > 0.4 && share < 0.6);
});

test("names are held out evenly: every syllable is in trained names, too", (t) => {
  t.is(heldOutNames.length, names.length / 16);
  t.is(new Set(names).size, names.length);
  t.true(heldOutNames.every((name) => !trainedNames.includes(name)));
  t.true(firstSyllables.every((first) => trainedNames.some((name) => name.startsWith(first))));
  t.true(lastSyllables.every((last) => trainedNames.some((name) => name.endsWith(last))));
});

test("a prompt that has no answer, or two, is no task", (t) => {
  t.throws(() => solve("\n Bola has 3 red cups in the garden .\n Tell about Mira :"), { message: /0 facts/ });
  t.throws(() => solve("\n Bola 3 red cups garden\n Mira 4 blue cups attic\n Read on from cups :"), {
    message: /2 facts/,
  });
  t.throws(() => solve("\n Bola 3 red cups garden\n Sort from 3 to 9 :"), { message: /0 facts/ });
  t.throws(() => solve("\n Bola has 3 red cups in the garden .\n Mira Bola\n Who goes with Bola :"), {
    message: /Bola has 0 friends/,
  });
  t.throws(() => solve("\n Bola 3 red cups garden\n Sing about Bola :"), { message: /no task asks/ });
});
