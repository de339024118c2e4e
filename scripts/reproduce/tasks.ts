/**
 * The families of tasks: a prompt that has to be understood, a question, and an answer of several words. What each one
 * asks for is said beside it; solve.ts has the answers by another way.
 */

import type { Random } from "../../test/support/random.js";
import { drawStory, friendRow, type Person, type Story, sentence, tableRow, tell } from "./story.js";
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

/** A question about a text, with its answer. */
interface Question {
  readonly question: string;
  readonly answer: string;
}

type Ask = (random: Random, story: Story) => Question;

/** Who it is, then all about one or two people. */
const askRecall: Ask = (random, { people }) => {
  const asked = pickSeveral(random, people, random() < 0.5 ? 1 : 2);
  return {
    question: `\n Tell about ${asked.map(({ name }) => name).join(" and ")} :`,
    answer: asked.map(sentence).join(""),
  };
};

/** A row from a word on. The last word is not asked for, since nothing comes behind it, nor colors, which repeat. */
const askTable: Ask = (random, { people }) => {
  const person = pick(random, people);
  const row = tableRow(person);
  const key = person[pick(random, ["name", "number", "thing"] as const)];
  return { question: `\n Read on from ${key} :`, answer: row.slice(row.indexOf(` ${key} `)) };
};

/** Who is somebody's friend, and all about that one: what is written first is what the rest is found by. */
const askHop: Ask = (random, { friends }) => {
  const { of, friend } = pick(random, friends);
  return {
    question: `\n Who goes with ${of} :`,
    answer: `${friendRow(of, friend.name)} .${sentence(friend)}`,
  };
};

/** How many people have things of each of three colors; some may be nobody's. */
const askCount: Ask = (random, { people }) => {
  const present = [...new Set(people.map(({ color }) => color))];
  const absent = colors.filter((color) => !present.includes(color));
  const asked = pickSeveral(random, [...present, ...pickSeveral(random, absent, Math.min(2, absent.length))], 3);
  const count = (color: string) => people.filter((person) => person.color === color).length;
  return {
    question: `\n Count ${asked.join(" , ")} :`,
    answer: `${asked.map((color) => ` ${color} ${count(color)}`).join(" ,")} .`,
  };
};

/** How much each of two has, and who has more. */
const askCompare: Ask = (random, { people }) => {
  const asked = pickSeveral(random, people, 2);
  const [most] = [...asked].sort((a, b) => Number(b.number) - Number(a.number)) as [Person];
  return {
    question: `\n Who has more , ${asked.map(({ name }) => name).join(" or ")} :`,
    answer: `${asked.map(({ name, number }) => ` ${name} has ${number} ,`).join("")} ${most.name} .`,
  };
};

const slots = ["number", "color", "thing", "place"] as const;

/** All about somebody, as it was told, then what is asked for, in the order asked for. */
const askSlots: Ask = (random, { people, told }) => {
  const person = pick(random, people);
  const asked = pickSeveral(random, slots, 2 + Math.floor(random() * 3));
  return {
    question: `\n Fill ${asked.join(" , ")} of ${person.name} :`,
    answer: `${told === "table" ? tableRow(person) : sentence(person)} : ${asked.map((slot) => `${slot} ${person[slot]}`).join(" , ")} .`,
  };
};

/**
 * What is counted, in the order of the numbers, from one number to another: half the time all of it. (Were it always all,
 * no answer learned from would end where an answer about the held-out number of people does.)
 */
const askSort: Ask = (random, { people }) => {
  const order = [...people].sort((a, b) => Number(a.number) - Number(b.number));
  const ends = random() < 0.5 ? [0, order.length - 1] : pickSeveral(random, [...order.keys()], 2);
  const [first, last] = [Math.min(...ends), Math.max(...ends)];
  return {
    question: `\n Sort from ${order[first]?.number} to ${order[last]?.number} :`,
    answer: `${order
      .slice(first, last + 1)
      .map(({ number, color, thing }) => ` ${number} ${color} ${thing}`)
      .join(" ,")} .`,
  };
};

export const shortestCopy = 4;
export const longestCopy = 12;

/** A list of words; two colors are in it more often than others. */
function drawList(random: Random, split: Split): string[] {
  const length = drawLength(random, split, shortestCopy, longestCopy);
  const often = pickSeveral(random, colors, 2);
  return Array.from({ length }, () => pick(random, random() < 0.4 ? often : [...things, ...colors]));
}

/** A list with one of its words put for another. */
function askCopy(random: Random, list: readonly string[]): Question {
  const inList = colors.filter((color) => list.includes(color));
  const from = pick(random, inList.length > 0 ? inList : colors);
  const to = pick(
    random,
    colors.filter((color) => color !== from),
  );
  return {
    question: `\n Copy with ${to} for ${from} :`,
    answer: `${list.map((word) => ` ${word === from ? to : word}`).join("")} .`,
  };
}

/** Of each family about stories: how a story is told of which it can be asked. */
const aboutStories: Record<Exclude<Family, "copy">, { readonly told: readonly Story["told"][]; readonly ask: Ask }> = {
  recall: { told: ["sentences", "sentences with friends"], ask: askRecall },
  table: { told: ["table"], ask: askTable },
  hop: { told: ["sentences with friends"], ask: askHop },
  count: { told: ["sentences", "table"], ask: askCount },
  compare: { told: ["sentences", "table"], ask: askCompare },
  slots: { told: ["sentences", "table"], ask: askSlots },
  sort: { told: ["sentences", "table"], ask: askSort },
};

export function drawTask(random: Random, split: Split, family: Family): Task {
  const { text, question, answer } = family === "copy" ? drawOfList(random, split) : drawOfStory(random, split, family);
  return { family, prompt: `${text}${question}`, answer };
}

function drawOfList(random: Random, split: Split): Question & { readonly text: string } {
  const list = drawList(random, split);
  return { text: `\n Words ${list.join(" ")}`, ...askCopy(random, list) };
}

function drawOfStory(random: Random, split: Split, family: keyof typeof aboutStories) {
  const { told, ask } = aboutStories[family];
  const story = drawStory(random, split, pick(random, told));
  return { text: tell(story), ...ask(random, story) };
}
