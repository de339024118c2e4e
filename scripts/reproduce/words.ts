/**
 * The words of the little world that the reproduction's texts are about, and which of them are held out.
 *
 * A name is two syllables, and each syllable becomes a token of its own: so a name that was never trained on is made of
 * tokens that were. Held out are 25 of 400 names, an eighth of the combinations of a color and a thing, and one
 * length in the middle of each range: no training text has any of them.
 */

import type { Random } from "../../test/support/random.js";

const firstSyllables = "Ba Ched Dor Fen Gil Hul Jas Kel Lom Mir Nev Pol Quin Ros Sten Tav Ul Vek Wim Zar".split(" ");
const lastSyllables = "bo dan esh fra gus hin ika jo kar lin mo nek opa phy rin sel tuk una vor zil".split(" ");

export const colors = "red blue green white black pink gray gold".split(" ");
export const things =
  "cups balls boxes hats keys books lamps rings coins bells drums kites boats dolls jars ropes".split(" ");
export const places = "garden kitchen attic cellar school barn office library harbor forest market tower".split(" ");
/** Numbers are words, too. */
export const numbers = Array.from({ length: 30 }, (_, i) => String(i + 1));

/** All names, the held-out ones included: each first syllable with each last one. */
export const names = firstSyllables.flatMap((first) => lastSyllables.map((last) => `${first}${last}`));

/** 25 of 400: of every fourth last syllable's names each fourth one, so that every syllable is in many trained names. */
export function isHeldOutName(name: string): boolean {
  const index = names.indexOf(name);
  const first = Math.floor(index / lastSyllables.length);
  const last = index % lastSyllables.length;
  return last % 4 === 0 && (first + last / 4) % 4 === 0;
}

export const trainedNames = names.filter((name) => !isHeldOutName(name));
export const heldOutNames = names.filter(isHeldOutName);

/** One thing in two colors, of 16 things in 8: each color and each thing is in trained combinations, too. */
export function isHeldOutCombination(color: string, thing: string): boolean {
  return (colors.indexOf(color) + things.indexOf(thing)) % 8 === 3;
}

/** What a text is drawn for: to train on, to test on what training's texts are like, or on what they never have. */
export type Split = "train" | "seen" | "heldOut";

export function namesOf(split: Split): readonly string[] {
  return split === "heldOut" ? heldOutNames : trainedNames;
}

/** `min` to `max` without the length in the middle; half of the held-out texts have just that one. */
export function drawLength(random: Random, split: Split, min: number, max: number): number {
  const middle = heldOutLength(min, max);
  if (split === "heldOut" && random() < 0.5) return middle;
  const length = min + Math.floor(random() * (max - min));
  return length < middle ? length : length + 1;
}

export function heldOutLength(min: number, max: number): number {
  return Math.floor((min + max + 1) / 2);
}

/** One of a list that is not empty. */
export function pick<Item>(random: Random, list: readonly Item[]): Item {
  const item = list[Math.floor(random() * list.length)];
  if (item === undefined) throw new RangeError("there is nothing to pick from");
  return item;
}

/** `count` different ones in random order. */
export function pickSeveral<Item>(random: Random, list: readonly Item[], count: number): Item[] {
  if (count > list.length) throw new RangeError(`${count} of ${list.length} cannot be picked`);
  const rest = [...list];
  return Array.from({ length: count }, () => rest.splice(Math.floor(random() * rest.length), 1)[0] as Item);
}
