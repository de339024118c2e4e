/** The schemas of a model and of how it is loaded, as the measurements take them. */

import type { LoadPairOptions, ModelSource } from "../engine/index.js";
import { inWords } from "../internal/expectations.js";
import { gpu, isUrl, path, threads } from "../internal/option-schemas.js";
import * as z from "../internal/schema.js";

/** A path by itself is a model with nothing else said. What else a model has is for {@link loadPair} to check. */
export const model = <Source extends ModelSource>() =>
  z.pipe(
    z.union([
      path(),
      inWords("an object with a model", z.looseObject({ model: path() }) as unknown as z.Schema<Source, Source>),
    ]),
    z.transform((value: string | URL | Source): Source | { readonly model: string | URL } =>
      typeof value === "string" || isUrl(value) ? { model: value } : value,
    ),
  );

/** An option that only loading looks at. */
const passedOn = <Name extends keyof LoadPairOptions>() => z.optional(z.custom<NonNullable<LoadPairOptions[Name]>>());

/** How one model is loaded. */
export const modelLoading = () => ({
  threads: z.optional(threads()),
  kernels: passedOn<"kernels">(),
  gpu: z.optional(gpu()),
  batchSize: passedOn<"batchSize">(),
  cacheTypeK: passedOn<"cacheTypeK">(),
  cacheTypeV: passedOn<"cacheTypeV">(),
  flashAttention: passedOn<"flashAttention">(),
});

/** How a pair is loaded. */
export const pairLoading = () => ({
  ...modelLoading(),
  translator: passedOn<"translator">(),
  handover: passedOn<"handover">(),
  implementation: passedOn<"implementation">(),
});
