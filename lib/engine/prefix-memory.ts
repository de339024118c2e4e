/** How much memory and disk a pair may take for what it has read. */

import { freemem } from "node:os";
import type { NativePairOptions } from "../internal/binding-types.js";
import { refusedArgument, toPath } from "../internal/check-options.js";
import type { PrefixOptions } from "./prefix-options.js";

const byDefault = -1;
const defaultDiskBytes = 10 * 2 ** 30;

type NativePrefixOptions = Pick<
  NativePairOptions,
  "prefixCacheBytes" | "availableBytes" | "prefixCacheDirectory" | "prefixCacheDiskBytes"
>;

/** Throws ERR_INVALID_ARGUMENT. */
export function toNativePrefixes(asked: PrefixOptions["prefixCache"]): NativePrefixOptions {
  const { maxBytes, directory, maxDiskBytes } = asked || {};
  if (maxDiskBytes !== undefined && directory === undefined)
    throw refusedArgument("options.prefixCache.maxDiskBytes", "only together with directory", String(maxDiskBytes));
  return {
    prefixCacheBytes: asked === false ? 0 : (maxBytes ?? byDefault),
    // The part of it that a container allows counts, where Node.js knows that.
    availableBytes: process.availableMemory?.() ?? freemem(),
    prefixCacheDirectory: directory === undefined ? "" : toPath(directory, "options.prefixCache.directory"),
    prefixCacheDiskBytes: maxDiskBytes ?? defaultDiskBytes,
  };
}
