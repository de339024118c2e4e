/** What callers may say of an answer's quality, wherever they say it. */

import { inWords } from "./expectations.js";
import { above, onFirstUse } from "./option-schemas.js";
import * as z from "./schema.js";

export const quality = onFirstUse(() =>
  inWords(
    '"fast", "exact" or an object with an acceptance above 0 and at most 1',
    z.union([z.oneOf(["fast", "exact"]), z.strictObject({ acceptance: above(0, 1) })]),
  ),
);

/** A share of the time that writing takes. */
export const refreshBudget = onFirstUse(() => above(0, 1));
