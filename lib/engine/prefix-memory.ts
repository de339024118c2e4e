/** How much memory a pair may take for what it has read. */

import { freemem } from "node:os";
import type { NativePairOptions } from "../internal/binding-types.js";
import type { PrefixOptions } from "./prefix-options.js";

const byDefault = -1;

export function toNativePrefixCache(
  asked: PrefixOptions["prefixCache"],
): Pick<NativePairOptions, "prefixCacheBytes" | "availableBytes"> {
  return {
    prefixCacheBytes: asked === false ? 0 : (asked?.maxBytes ?? byDefault),
    // The part of it that a container allows counts, where Node.js knows that.
    availableBytes: process.availableMemory?.() ?? freemem(),
  };
}
