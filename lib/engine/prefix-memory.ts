/** How much memory a pair may take for what it has read. */

import { freemem } from "node:os";
import { sizeOfFile } from "../internal/computing.js";
import type { PrefixOptions } from "./prefix-options.js";

const least = 64 * 2 ** 20;

/** The bytes that were asked for, 0 for none; else a share of what is free beside the models' weights. */
export function prefixCacheBytes(asked: PrefixOptions["prefixCache"], models: readonly string[]): number {
  if (asked === false) return 0;
  if (asked?.maxBytes !== undefined) return asked.maxBytes;
  const weights = [...new Set(models)].reduce((sum, path) => sum + sizeOfFile(path), 0);
  return Math.max(least, Math.floor((availableMemory() - weights) / 4));
}

/** The part of it that a container allows counts, where Node.js knows that. */
function availableMemory(): number {
  return process.availableMemory?.() ?? freemem();
}
