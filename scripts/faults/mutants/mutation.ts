/** Damage to a file of any format: what bad disks, cut-off copies and edits at random do. Equal random numbers do equal damage. */

import type { Random } from "../../../test/support/random.js";

/** A damaged file, and in words what was done to it. */
export interface Mutant {
  readonly bytes: Uint8Array;
  readonly how: string;
}

/** Makes a mutant of a sound file, which it leaves as it is. */
export type Mutate = (bytes: Uint8Array, random: Random) => Mutant;

/** A whole number from 0 to `n` - 1; 0 for a bound below 1. */
export const below = (random: Random, n: number): number => Math.max(0, Math.floor(random() * n));

export function pick<Item>(random: Random, items: readonly Item[]): Item {
  const item = items[below(random, items.length)];
  if (item === undefined) throw new RangeError("nothing to pick from");
  return item;
}

/** Several pieces as one. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** What counts, sizes and offsets are in when they are wrong. */
export const oddIntegers: readonly bigint[] = [
  ...[0n, 1n, 2n, 3n, 7n, 63n, 127n, 128n, 255n, 256n, 65_535n, 65_536n],
  ...[2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 62n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n],
];

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Puts a little-endian integer of `sizeBytes` (1, 2, 4 or 8) into the bytes; what is too large is cut off. */
export function putInteger(bytes: Uint8Array, at: number, sizeBytes: number, value: bigint): void {
  for (let i = 0; i < sizeBytes; i++) bytes[at + i] = Number((BigInt.asUintN(64, value) >> BigInt(8 * i)) & 255n);
}

export const readInteger = (bytes: Uint8Array, at: number, sizeBytes: 4 | 8): bigint =>
  sizeBytes === 4 ? BigInt(viewOf(bytes).getUint32(at, true)) : viewOf(bytes).getBigUint64(at, true);

/** An integer near the one that is there, or one of {@link oddIntegers}. */
export const oddInteger = (random: Random, now: bigint): bigint =>
  pick(random, [
    ...oddIntegers,
    now + 1n,
    now - 1n,
    now * 2n,
    now / 2n,
    now ^ 128n,
    -1n,
    BigInt(below(random, 2 ** 31)),
  ]);

/** Where damage is done: near the beginning, where headers are, as often as anywhere. */
const place = (random: Random, size: number) => below(random, random() < 0.5 ? Math.min(size, 512) : size);

/** A stretch of the file, of any size up to a quarter of it. */
function stretch(random: Random, size: number): readonly [from: number, to: number] {
  const from = place(random, size);
  return [from, Math.min(size, from + 1 + below(random, pick(random, [8, 64, 4096, size / 4])))];
}

const kinds: readonly Mutate[] = [
  (bytes, random) => {
    const out = bytes.slice();
    const flips = 1 + below(random, pick(random, [1, 1, 8, 64]));
    const at = Array.from({ length: flips }, () => place(random, out.length));
    for (const byte of at) out[byte] = (out[byte] ?? 0) ^ (1 << below(random, 8));
    return { bytes: out, how: `bits flipped at ${at.slice(0, 8).join(", ")}` };
  },
  (bytes, random) => {
    const size = place(random, bytes.length);
    return { bytes: bytes.slice(0, size), how: `cut off at ${size}` };
  },
  (bytes, random) => {
    const [from, to] = stretch(random, bytes.length);
    const value = pick(random, [0, 0, 255, 128]);
    return { bytes: bytes.slice().fill(value, from, to), how: `${from} to ${to} filled with ${value}` };
  },
  (bytes, random) => {
    const [from, to] = stretch(random, bytes.length);
    return { bytes: joined(bytes.subarray(0, to), bytes.subarray(from)), how: `${from} to ${to} twice` };
  },
  (bytes, random) => {
    const [from, to] = stretch(random, bytes.length);
    return { bytes: joined(bytes.subarray(0, from), bytes.subarray(to)), how: `${from} to ${to} missing` };
  },
  (bytes, random) => {
    const out = bytes.slice();
    const [from, to] = stretch(random, out.length);
    const other = place(random, out.length - (to - from));
    out.set(bytes.subarray(other, other + to - from), from);
    out.set(bytes.subarray(from, to), other);
    return { bytes: out, how: `${from} to ${to} swapped with what is at ${other}` };
  },
  (bytes, random) => {
    const out = bytes.slice();
    const size = pick(random, [1, 2, 4, 8] as const);
    const at = Math.min(place(random, out.length), Math.max(0, out.length - size));
    const value = pick(random, oddIntegers);
    putInteger(out.subarray(0, out.length), at, Math.min(size, out.length - at), value);
    return { bytes: out, how: `${size} bytes at ${at} set to ${value}` };
  },
  (bytes, random) => {
    const out = bytes.slice();
    const [from, to] = stretch(random, out.length);
    for (let i = from; i < to; i++) out[i] = below(random, 256);
    return { bytes: out, how: `${from} to ${to} noise` };
  },
  (bytes, random) => {
    const more = Uint8Array.from({ length: 1 + below(random, 200) }, () => below(random, 256));
    return { bytes: joined(bytes, more), how: `${more.length} bytes more at the end` };
  },
];

/** One kind of damage, drawn. */
export const mutateBytes: Mutate = (bytes, random) => pick(random, kinds)(bytes, random);

/** One of several ways to make mutants, drawn; one that is named twice is drawn twice as often. */
export const oneOf =
  (...ways: readonly Mutate[]): Mutate =>
  (bytes, random) =>
    pick(random, ways)(bytes, random);
