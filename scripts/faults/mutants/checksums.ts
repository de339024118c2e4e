/**
 * Checksums made right again, so that a mutant comes past them to what reads the file. Each says the places that a format's
 * file has them in, which native/engine/saved_session_format.h, prefix_files.h and native/train/checkpoint.h describe.
 */

import { joined, type Mutate, putInteger, readInteger } from "./mutation.js";
import { xxh3 } from "./xxh3.js";

/** Puts the sums in their places; what is too short for them stays as it is. */
export type Reseal = (bytes: Uint8Array) => Uint8Array;

const sessionHeader = { descriptionSize: 24, valuesSize: 32, descriptionSum: 40, sum: 56, size: 64 };

/** A saved session: the description's size and the values' become what the file is long, and both sums become right. */
export const resealSession: Reseal = (bytes) => {
  const { size, descriptionSize, valuesSize, descriptionSum, sum } = sessionHeader;
  if (bytes.length < size + 17) return bytes;
  const out = bytes.slice();
  const said = readInteger(out, descriptionSize, 8);
  const nDescription = Math.min(Number(said), out.length - size);
  if (nDescription < 17) return bytes;
  putInteger(out, descriptionSize, 8, BigInt(nDescription));
  putInteger(out, valuesSize, 8, BigInt(out.length - size - nDescription));
  putInteger(out, descriptionSum, 8, xxh3(out.subarray(size, size + nDescription)));
  putInteger(out, sum, 8, xxh3(out.subarray(0, sum)));
  return out;
};

/** A block of a prefix cache. */
export const resealPrefix: Reseal = (bytes) => {
  if (bytes.length < 72) return bytes;
  const out = bytes.slice();
  putInteger(out, 64, 8, xxh3(joined(out.subarray(0, 64), out.subarray(72))));
  return out;
};

/** FNV-1a over words of eight bytes, the last one padded with zeros, and then the length. */
function wordHash(bytes: Uint8Array): bigint {
  const prime = 0x100000001b3n;
  const padded = joined(bytes, new Uint8Array((8 - (bytes.length % 8)) % 8));
  let state = 0xcbf29ce484222325n;
  for (let at = 0; at < padded.length; at += 8)
    state = BigInt.asUintN(64, (state ^ readInteger(padded, at, 8)) * prime);
  return BigInt.asUintN(64, (state ^ BigInt(bytes.length)) * prime);
}

/** A checkpoint without its last eight bytes becomes one with them. */
export function sealCheckpoint(bytes: Uint8Array): Uint8Array {
  const sum = new Uint8Array(8);
  putInteger(sum, 0, 8, wordHash(bytes));
  return joined(bytes, sum);
}

/** Mutants whose sums are right. */
export const resealed =
  (mutate: Mutate, reseal: Reseal): Mutate =>
  (bytes, random) => {
    const mutant = mutate(bytes, random);
    return { bytes: reseal(mutant.bytes), how: `${mutant.how}; its sums made right` };
  };

/** Mutants of what is before a file's last `size` bytes, closed by `seal`. */
export const sealedAnew =
  (mutate: Mutate, size: number, seal: Reseal): Mutate =>
  (bytes, random) => {
    const mutant = mutate(bytes.subarray(0, bytes.length - size), random);
    return { bytes: seal(mutant.bytes), how: `${mutant.how}; its sum made right` };
  };

/** Mutants of the description of a saved session, which its values follow as they are. */
export const inDescription =
  (mutate: Mutate): Mutate =>
  (bytes, random) => {
    const { size, descriptionSize } = sessionHeader;
    const end = size + Number(readInteger(bytes, descriptionSize, 8));
    const mutant = mutate(bytes.subarray(size, end), random);
    const out = joined(bytes.subarray(0, size), mutant.bytes, bytes.subarray(end));
    putInteger(out, descriptionSize, 8, BigInt(mutant.bytes.length));
    return { bytes: out, how: `description: ${mutant.how}` };
  };
