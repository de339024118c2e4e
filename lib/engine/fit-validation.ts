/** Checks what callers hand over to a fit; as validation.ts does for a pair. */

import { check } from "../internal/check-options.js";
import {
  between,
  callback,
  gpu,
  type InputOf,
  modelSource,
  onFirstUse,
  path,
  type SchemasOf,
  signal,
  threads,
  whole,
} from "../internal/option-schemas.js";
import * as z from "../internal/schema.js";
import type { FitTranslatorOptions } from "./fit-translator.js";
import { layerMap } from "./validation.js";
import { refuseNamedWriters } from "./writer-validation.js";

const fitSchema = onFirstUse(() =>
  z.strictObject({
    prefill: modelSource(),
    decode: modelSource(),
    text: path(),
    out: path(),
    layers: z.optional(layerMap()),
    maps: z.withDefault(z.oneOf(["separate", "common"]), "separate"),
    beforeRope: z.withDefault(z.boolean(), true),
    chunkSize: z.optional(whole(32, 8192)),
    maxTokens: z.optional(whole(1)),
    lambda: z.withDefault(between(0, 1000), 1e-4),
    heldOut: z.withDefault(between(0.01, 0.5), 0.1),
    weightType: z.withDefault(z.oneOf(["f32", "f16", "q8_0"]), "f16"),
    threads: z.optional(threads()),
    gpu: z.withDefault(gpu(), "auto"),
    onProgress: z.optional(callback<NonNullable<FitTranslatorOptions["onProgress"]>>()),
    signal: z.optional(signal()),
  } satisfies SchemasOf<FitTranslatorOptions>),
);

export function checkFitOptions(value: FitTranslatorOptions) {
  refuseNamedWriters(value?.decode);
  return check(fitSchema(), value satisfies InputOf<typeof fitSchema>, "options");
}
