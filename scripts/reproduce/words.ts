/**
 * The words of the little world that the reproduction's texts are about, and which of them are held out.
 *
 * A name is two syllables, and each syllable becomes a token of its own: so a name that was never trained on is made of
 * tokens that were. Held out are 64 of 1,024 names, an eighth of the combinations of a color and a thing, and one
 * length in the middle of each range: no training text has any of them.
 */

import type { Random } from "../../test/support/random.js";

export const firstSyllables =
  "Bav Chof Dor Eb Fen Gil Hul Ig Jas Kel Lom Mir Nev Ob Pol Quin Ros Sten Tav Ul Vek Wim Yan Zar Clov Drug Frib Gos Hob Knuv Prib Thav".split(
    " ",
  );
export const lastSyllables =
  "bo dan tem fra gus hin yab jo kar lin mo nek pax phy rin zel tuk dav vor zil bet cus dro pli gam hod lus mip nob pim jit wen".split(
    " ",
  );

export const colors = "red blue green white black pink gray gold".split(" ");
export const things =
  "cups balls boxes hats keys books lamps rings coins bells drums kites boats dolls jars ropes".split(" ");
export const places = "garden kitchen attic cellar school barn office library harbor forest market tower".split(" ");
/** Numbers are words, too. */
export const numbers = Array.from({ length: 20 }, (_, i) => String(i + 1));

/** All names, the held-out ones included: each first syllable with each last one. */
export const names = firstSyllables.flatMap((first) => lastSyllables.map((last) => `${first}${last}`));

/**
 * 64 of 1,024: two of each first syllable's names and two of each last one's, other ones each time. (Were it a block of
 * some first and some last syllables, a model would learn in no time that these two kinds do not go together.)
 */
export function isHeldOutName(name: string): boolean {
  const index = names.indexOf(name);
  const first = Math.floor(index / lastSyllables.length);
  const last = index % lastSyllables.length;
  return (last + 7 * first) % 16 === 3;
}

export const trainedNames = names.filter((name) => !isHeldOutName(name));
export const heldOutNames = names.filter(isHeldOutName);

/** One thing in two colors, of 16 things in 8: each color and each thing is in trained combinations, too. */
export function isHeldOutCombination(color: string, thing: string): boolean {
  return (colors.indexOf(color) + things.indexOf(thing)) % 8 === 3;
}

/** What a text is drawn for: to train on, to test on what training's texts are like, or on what they never have. */
export type Split = "train" | "seen" | "heldOut";

/** `count` names that share no syllable, so that each syllable says who it is. */
export function pickNames(random: Random, split: Split, count: number): string[] {
  const picked: string[] = [];
  while (picked.length < count) {
    const name = pick(random, split === "heldOut" ? heldOutNames : trainedNames);
    if (!picked.some((other) => shareSyllable(name, other))) picked.push(name);
  }
  return picked;
}

function shareSyllable(a: string, b: string): boolean {
  const [i, j] = [names.indexOf(a), names.indexOf(b)];
  const syllables = lastSyllables.length;
  return Math.floor(i / syllables) === Math.floor(j / syllables) || i % syllables === j % syllables;
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
