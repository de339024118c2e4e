/**
 * Stories: some people, each with a number of things of a color at a place, told in sentences or as a table; in some of
 * them each one has a friend, named in a list below. Within a story names, numbers, things and places are different;
 * colors repeat, so that they can be counted.
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
  /** Each of `people` is the friend of somebody else, who has nothing. Empty if that is not told. */
  readonly friends: readonly { readonly of: string; readonly friend: Person }[];
  readonly told: "sentences" | "table" | "sentences with friends";
}

export const fewestPeople = 2;
export const mostPeople = 7;

export function drawStory(random: Random, split: Split, told: Story["told"]): Story {
  const withFriends = told === "sentences with friends";
  const length = () => drawLength(random, split, fewestPeople, mostPeople);
  // The more friends, the more often the wrong one is found: what is learned from has more of the long lists.
  const count = withFriends && split === "train" ? Math.max(length(), length()) : length();
  const shades = pickSeveral(random, colors, 5);
  const drawn = pickSeveral(random, things, count);
  const picked = pickNames(random, split, withFriends ? 2 * count : count);
  const counts = pickSeveral(random, numbers, count);
  const where = pickSeveral(random, places, count);
  const people = picked.slice(0, count).map((name, i): Person => {
    const thing = drawn[i] ?? "";
    const color = drawColor(random, split, shades, thing);
    return { name, color, thing, number: counts[i] ?? "", place: where[i] ?? "" };
  });
  const friends = withFriends ? pickSeveral(random, people, count) : [];
  return { people, friends: friends.map((friend, i) => ({ of: picked[count + i] ?? "", friend })), told };
}

function drawColor(random: Random, split: Split, shades: readonly string[], thing: string): string {
  const kept = shades.filter((color) => !isHeldOutCombination(color, thing));
  const held = colors.filter((color) => isHeldOutCombination(color, thing));
  return split === "heldOut" && random() < 0.5 ? pick(random, held) : pick(random, kept);
}

export function sentence({ name, number, color, thing, place }: Person): string {
  return ` ${name} has ${number} ${color} ${thing} in the ${place} .`;
}

export const friendRow = (of: string, friend: string) => ` ${of} ${friend}`;

export function tableRow({ name, number, color, thing, place }: Person): string {
  return ` ${name} ${number} ${color} ${thing} ${place}`;
}

export function tell({ people, friends, told }: Story): string {
  const lines =
    told === "table"
      ? people.map(tableRow)
      : [people.map(sentence).join(""), ...friends.map(({ of, friend }) => friendRow(of, friend.name))];
  return lines.map((line) => `\n${line}`).join("");
}
