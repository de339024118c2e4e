/**
 * The families of tasks: a prompt that has to be understood, a question, and an answer of several words. What each one
 * asks for is said beside it; solve.ts has the answers by another way.
 */

import type { Random } from "../../test/support/random.js";
import { drawStory, type Person, type Story, sentence, tableRow, tell } from "./story.js";
import { colors, drawLength, pick, pickSeveral, type Split, things } from "./words.js";

export const families = ["recall", "table", "hop", "count", "compare", "slots", "sort", "copy"] as const;
export type Family = (typeof families)[number];

export interface Task {
  readonly family: Family;
  /** From a newline to the colon behind the question. */
  readonly prompt: string;
  /** Begins with a space, since a word is a token together with the space before it. */
  readonly answer: string;
}

/** A question about a story, with its answer. */
interface Question {
  readonly family: Family;
  readonly question: string;
  readonly answer: string;
}

type Ask = (random: Random, story: Story) => Question;

/** Who it is, then all about one or two people. */
const askRecall: Ask = (random, { people }) => {
  const asked = pickSeveral(random, people, random() < 0.5 ? 1 : 2);
  return {
    family: "recall",
    question: `\n Tell about ${asked.map(({ name }) => name).join(" and ")} :`,
    answer: asked.map(sentence).join(""),
  };
};

/** The row that has a word. */
const askTable: Ask = (random, { people }) => {
  const person = pick(random, people);
  const key = person[pick(random, ["name", "number", "thing", "place"] as const)];
  return { family: "table", question: `\n Find ${key} :`, answer: tableRow(person) };
};

/** What is said about somebody who is found only by way of another. */
const askHop: Ask = (random, { people, likes }) => {
  const from = Math.floor(random() * people.length);
  const { number, color, thing, place } = people[likes[from] ?? 0] as Person;
  return {
    family: "hop",
    question: `\n What has the one that ${people[from]?.name} likes :`,
    answer: ` ${number} ${color} ${thing} in the ${place} .`,
  };
};

/** How many people have things of each of the colors. */
const askCount: Ask = (random, { people }) => {
  const present = [...new Set(people.map(({ color }) => color))];
  const asked = pickSeveral(
    random,
    [
      ...present,
      pick(
        random,
        colors.filter((color) => !present.includes(color)),
      ),
    ],
    2,
  );
  const count = (color: string) => people.filter((person) => person.color === color).length;
  return {
    family: "count",
    question: `\n Count ${asked.join(" and ")} :`,
    answer: `${asked.map((color) => ` ${color} ${count(color)}`).join(" ,")} .`,
  };
};

/** Who of two has more, and how much each of them has. */
const askCompare: Ask = (random, { people }) => {
  const asked = pickSeveral(random, people, 2);
  const [most, least] = [...asked].sort((a, b) => Number(b.number) - Number(a.number)) as [Person, Person];
  return {
    family: "compare",
    question: `\n Who has more , ${asked.map(({ name }) => name).join(" or ")} :`,
    answer: ` ${most.name} has ${most.number} , ${least.name} has ${least.number} .`,
  };
};

const slots = ["number", "color", "thing", "place"] as const;

/** What is asked for about somebody, in the order asked for. */
const askSlots: Ask = (random, { people }) => {
  const person = pick(random, people);
  const asked = pickSeveral(random, slots, 2 + Math.floor(random() * 3));
  return {
    family: "slots",
    question: `\n Fill ${asked.join(" , ")} of ${person.name} :`,
    answer: `${asked.map((slot) => ` ${person[slot]}`).join(" ,")} .`,
  };
};

/** Everybody in the order of their numbers. */
const askSort: Ask = (_random, { people }) => {
  const order = [...people].sort((a, b) => Number(a.number) - Number(b.number));
  return {
    family: "sort",
    question: "\n Sort by number :",
    answer: `${order.map(({ number, name }) => ` ${number} ${name}`).join(" ,")} .`,
  };
};

export const shortestCopy = 4;
export const longestCopy = 12;

/** A list of words with one of them in another's place. */
function drawCopy(random: Random, split: Split): Task {
  const length = drawLength(random, split, shortestCopy, longestCopy);
  const [from, to] = pickSeveral(random, colors, 2) as [string, string];
  const words = Array.from({ length }, () => pick(random, random() < 0.3 ? [from] : [...things, ...colors]));
  return {
    family: "copy",
    prompt: `\n Words ${words.join(" ")}\n Copy with ${to} for ${from} :`,
    answer: `${words.map((word) => ` ${word === from ? to : word}`).join("")} .`,
  };
}

const asked: Record<Exclude<Family, "copy">, { readonly ask: Ask; readonly told: readonly Story["told"][] }> = {
  recall: { ask: askRecall, told: ["sentences", "sentences with likes"] },
  table: { ask: askTable, told: ["table"] },
  hop: { ask: askHop, told: ["sentences with likes"] },
  count: { ask: askCount, told: ["sentences", "table"] },
  compare: { ask: askCompare, told: ["sentences", "table"] },
  slots: { ask: askSlots, told: ["sentences", "table"] },
  sort: { ask: askSort, told: ["sentences", "table"] },
};

/** One prompt with one answer. */
export function drawTask(random: Random, split: Split, family: Family): Task {
  if (family === "copy") return drawCopy(random, split);
  const { ask, told } = asked[family];
  const story = drawStory(random, split, pick(random, told));
  const { question, answer } = ask(random, story);
  return { family, prompt: `${tell(story)}${question}`, answer };
}
