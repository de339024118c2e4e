/**
 * The families of tasks: a prompt that has to be understood, a question, and an answer of several words. What each one
 * asks for is said beside it; solve.ts has the answers by another way.
 */

import type { Random } from "../../test/support/random.js";
import { drawStory, likesSentence, type Person, type Story, sentence, tableRow, tell } from "./story.js";
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

/** A row from a word on. The last word is not asked for, since nothing comes behind it, nor colors, which repeat. */
const askTable: Ask = (random, { people }) => {
  const person = pick(random, people);
  const row = tableRow(person);
  const key = person[pick(random, ["name", "number", "thing"] as const)];
  return { family: "table", question: `\n Read on from ${key} :`, answer: row.slice(row.indexOf(` ${key} `)) };
};

/** Whom somebody likes, and all about them: what is written first is what the rest is found by. */
const askHop: Ask = (random, { people, likes }) => {
  const from = Math.floor(random() * people.length);
  const liked = people[likes[from] ?? 0] as Person;
  const name = people[from]?.name ?? "";
  return {
    family: "hop",
    question: `\n What has the one that ${name} likes :`,
    answer: `${likesSentence(name, liked.name)}${sentence(liked)}`,
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

/** How much each of two has, and who has more. */
const askCompare: Ask = (random, { people }) => {
  const asked = pickSeveral(random, people, 2);
  const [most] = [...asked].sort((a, b) => Number(b.number) - Number(a.number)) as [Person];
  return {
    family: "compare",
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
    family: "slots",
    question: `\n Fill ${asked.join(" , ")} of ${person.name} :`,
    answer: `${told === "table" ? tableRow(person) : sentence(person)} : ${asked.map((slot) => `${slot} ${person[slot]}`).join(" , ")} .`,
  };
};

/** All that is counted, in the order of the numbers. */
const askSort: Ask = (_random, { people }) => {
  const order = [...people].sort((a, b) => Number(a.number) - Number(b.number));
  return {
    family: "sort",
    question: "\n Sort by number :",
    answer: `${order.map(({ number, color, thing }) => ` ${number} ${color} ${thing}`).join(" ,")} .`,
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
    family: "copy",
    question: `\n Copy with ${to} for ${from} :`,
    answer: `${list.map((word) => ` ${word === from ? to : word}`).join("")} .`,
  };
}

/** What questions are about, and which of the families can be asked of it. */
const asks: Record<Story["told"], { readonly [family in Family]?: Ask }> = {
  sentences: { recall: askRecall, count: askCount, compare: askCompare, slots: askSlots, sort: askSort },
  table: { table: askTable, count: askCount, compare: askCompare, slots: askSlots, sort: askSort },
  "sentences with likes": { recall: askRecall, hop: askHop },
};

/** One prompt with one answer. */
export function drawTask(random: Random, split: Split, family: Family): Task {
  const { text, questions } = drawText(random, split, family, 1);
  const [{ question, answer }] = questions as [Question];
  return { family, prompt: `${text}${question}`, answer };
}

/** A text and different questions about it, `count` at most, with their answers; the first is of the family. */
export function drawText(
  random: Random,
  split: Split,
  family: Family,
  count: number,
): { readonly text: string; readonly questions: readonly Question[] } {
  const { text, draw } = family === "copy" ? aboutList(random, split) : aboutStory(random, split, family);
  const questions = [draw(family)];
  for (let i = 1; i < count; i++) {
    const next = draw();
    if (questions.every(({ question }) => question !== next.question)) questions.push(next);
  }
  return { text, questions };
}

/** A text, and a way to draw questions about it: of one family or of any that can be asked. */
interface About {
  readonly text: string;
  readonly draw: (family?: Family) => Question;
}

function aboutList(random: Random, split: Split): About {
  const list = drawList(random, split);
  return { text: `\n Words ${list.join(" ")}`, draw: () => askCopy(random, list) };
}

function aboutStory(random: Random, split: Split, family: Family): About {
  const ways = (Object.keys(asks) as Story["told"][]).filter((told) => asks[told][family]);
  const story = drawStory(random, split, pick(random, ways));
  const asked = asks[story.told];
  const draw = (family = pick(random, Object.keys(asked) as Family[])) => {
    const ask = asked[family];
    if (!ask) throw new RangeError(`no text can be asked about by ${family}`);
    return ask(random, story);
  };
  return { text: tell(story), draw };
}
