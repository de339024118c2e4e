/** How much a pair may take for what it has read: of memory, and of which folder. */

import { freemem } from "node:os";
import type { NativePairOptions } from "../internal/binding-types.js";
import { refusedArgument, toPath } from "../internal/check-options.js";
import { sizeOfFile } from "../internal/computing.js";
import type { PrefixOptions } from "./prefix-options.js";

const least = 64 * 2 ** 20;
const defaultDiskBytes = 10 * 2 ** 30;

type NativePrefixOptions = Pick<
  NativePairOptions,
  "prefixCacheBytes" | "prefixCacheDirectory" | "prefixCacheDiskBytes"
>;

/** Throws ERR_INVALID_ARGUMENT. */
export function toNativePrefixes(asked: PrefixOptions["prefixCache"], models: readonly string[]): NativePrefixOptions {
  const { directory, maxDiskBytes } = asked || {};
  if (maxDiskBytes !== undefined && directory === undefined)
    throw refusedArgument("options.prefixCache.maxDiskBytes", "only together with directory", String(maxDiskBytes));
  return {
    prefixCacheBytes: prefixCacheBytes(asked, models),
    prefixCacheDirectory: directory === undefined ? "" : toPath(directory, "options.prefixCache.directory"),
    prefixCacheDiskBytes: maxDiskBytes ?? defaultDiskBytes,
  };
}

/** The bytes that were asked for, 0 for none; else a share of what is free beside the models' weights. */
function prefixCacheBytes(asked: PrefixOptions["prefixCache"], models: readonly string[]): number {
  if (asked === false) return 0;
  if (asked?.maxBytes !== undefined) return asked.maxBytes;
  const weights = [...new Set(models)].reduce((sum, path) => sum + sizeOfFile(path), 0);
  return Math.max(least, Math.floor((availableMemory() - weights) / 4));
}

/** The part of it that a container allows counts, where Node.js knows that. */
function availableMemory(): number {
  return process.availableMemory?.() ?? freemem();
}
