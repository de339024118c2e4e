/** Seeded random numbers: equal seeds give equal numbers on every platform. */

import { mulberry32, type Random } from "../../lib/internal/random.js";

export { mulberry32, type Random };

/** Normally distributed numbers with mean 0 and deviation 1, by Box and Muller's transform. */
export function gaussian(random: Random): Random {
  let spare: number | undefined;
  return () => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - random())); // 1 - x: the logarithm of 0 is never taken
    const angle = 2 * Math.PI * random();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}

/** A 32-bit seed for one named part of something, so that parts do not depend on the order they are made in (FNV-1a). */
export function namedSeed(seed: number, name: string): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}
