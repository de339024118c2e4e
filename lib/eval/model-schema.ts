/** The schema of a model as the measurements take it. */

import type { ModelSource } from "../engine/index.js";
import { inWords } from "../internal/expectations.js";
import { isUrl, path } from "../internal/option-schemas.js";
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
