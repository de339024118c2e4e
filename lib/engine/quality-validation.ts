/** Checks of the quality that callers may ask of an answer. */

import type { NativeDecodeOptions } from "../internal/binding-types.js";
import { refusedArgument } from "../internal/check-options.js";
import type { DecodeQuality } from "./quality-options.js";

export function toNativeQuality({
  quality: asked,
  refreshBudget: share,
}: Refreshing): Pick<NativeDecodeOptions, "quality" | "acceptance" | "refreshBudget"> {
  if (share !== undefined) return { refreshBudget: share };
  if (asked === undefined || asked === "fast") return {};
  return asked === "exact" ? { quality: "exact" } : { quality: "near", acceptance: asked.acceptance };
}

/** The options that refresh an answer while it is written. */
interface Refreshing {
  readonly quality?: DecodeQuality | undefined;
  readonly refreshInterval?: number | undefined;
  readonly refreshBudget?: number | undefined;
}

/** A cache that is the prefill model's throughout has nothing to refresh. */
export function withoutRefreshes<Options extends Refreshing>(options: Options): Options {
  if ((options.quality ?? "fast") === "fast") return options;
  for (const name of ["refreshInterval", "refreshBudget"] as const)
    if (options[name] !== undefined)
      throw refusedArgument(
        `options.${name}`,
        "expected none with a quality that the prefill model checks",
        String(options[name]),
      );
  return options;
}
