/**
 * Stories: some people, each with a number of things of a color at a place, told in sentences or as a table. Within a
 * story names, numbers, things and places are different; colors repeat, so that they can be counted.
 */

import type { Random } from "../../test/support/random.js";
import {
  colors,
  drawLength,
  isHeldOutCombination,
  numbers,
  pick,
  pickNames,
  pickSeveral,
  places,
  type Split,
  things,
} from "./words.js";

export interface Person {
  readonly name: string;
  readonly number: string;
  readonly color: string;
  readonly thing: string;
  readonly place: string;
}

export interface Story {
  readonly people: readonly Person[];
  /** By place in `people`: whom each one likes, another one; every one is liked once. */
  readonly likes: readonly number[];
  readonly told: "sentences" | "table" | "sentences with likes";
}

export const fewestPeople = 3;
export const mostPeople = 6;

export function drawStory(random: Random, split: Split, told: Story["told"]): Story {
  const count = drawLength(random, split, fewestPeople, mostPeople);
  const shades = pickSeveral(random, colors, 3);
  const drawn = pickSeveral(random, things, count);
  const people = pickNames(random, split, count).map((name) => ({ name, thing: drawn.pop() ?? "" }));
  const counts = pickSeveral(random, numbers, count);
  const where = pickSeveral(random, places, count);
  const order = pickSeveral(random, [...people.keys()], count);
  const likes = people.map(() => 0);
  order.forEach((from, i) => {
    likes[from] = order[(i + 1) % count] ?? 0;
  });
  return {
    people: people.map((person, i) => ({
      ...person,
      color: drawColor(random, split, shades, person.thing),
      number: counts[i] ?? "",
      place: where[i] ?? "",
    })),
    likes,
    told,
  };
}

function drawColor(random: Random, split: Split, shades: readonly string[], thing: string): string {
  const kept = shades.filter((color) => !isHeldOutCombination(color, thing));
  const held = colors.filter((color) => isHeldOutCombination(color, thing));
  return split === "heldOut" && random() < 0.5 ? pick(random, held) : pick(random, kept);
}

export function sentence({ name, number, color, thing, place }: Person): string {
  return ` ${name} has ${number} ${color} ${thing} in the ${place} .`;
}

export const likesSentence = (who: string, whom: string) => ` ${who} likes ${whom} .`;

export function tableRow({ name, number, color, thing, place }: Person): string {
  return ` ${name} ${number} ${color} ${thing} ${place}`;
}

export function tell({ people, likes, told }: Story): string {
  if (told === "table") return people.map((person) => `\n${tableRow(person)}`).join("");
  const sentences = people.map(sentence);
  if (told === "sentences with likes")
    sentences.push(...people.map(({ name }, i) => likesSentence(name, people[likes[i] ?? 0]?.name ?? "")));
  return `\n${sentences.join("")}`;
}
