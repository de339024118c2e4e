/** Checks of the quality that callers may ask of an answer. */

import type { NativeDecodeOptions } from "../internal/binding-types.js";
import { refusedArgument } from "../internal/check-options.js";
import { inWords } from "../internal/expectations.js";
import { above, onFirstUse } from "../internal/option-schemas.js";
import * as z from "../internal/schema.js";
import type { DecodeQuality } from "./quality-options.js";

export const quality = onFirstUse(() =>
  inWords(
    '"fast", "exact" or an object with an acceptance above 0 and at most 1',
    z.union([z.oneOf(["fast", "exact"]), z.strictObject({ acceptance: above(0, 1) })]),
  ),
);

export function toNativeQuality(asked: DecodeQuality | undefined): Pick<NativeDecodeOptions, "quality" | "acceptance"> {
  if (asked === undefined || asked === "fast") return {};
  return asked === "exact" ? { quality: "exact" } : { quality: "near", acceptance: asked.acceptance };
}

/** A cache that is the prefill model's throughout has nothing to refresh. */
export function withoutRefreshes<
  Options extends { readonly quality?: DecodeQuality | undefined; readonly refreshInterval?: number | undefined },
>(options: Options): Options {
  const { quality: asked = "fast", refreshInterval } = options;
  if (asked === "fast" || refreshInterval === undefined) return options;
  throw refusedArgument(
    "options.refreshInterval",
    "expected none with a quality that the prefill model checks",
    String(refreshInterval),
  );
}
