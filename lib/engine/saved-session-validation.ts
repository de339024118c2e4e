/** Checks of what callers may ask of saving a session and of restoring one. */

import { check, toPath } from "../internal/check-options.js";
import { type InputOf, onFirstUse, path, priority, type SchemasOf, signal } from "../internal/option-schemas.js";
import * as z from "../internal/schema.js";
import type { RestoreOptions, SaveOptions } from "./saved-session-options.js";

const saveSchema = onFirstUse(() =>
  z.strictObject({
    compress: z.optional(z.oneOf(["q8_0"])),
    signal: z.optional(signal()),
  } satisfies SchemasOf<SaveOptions>),
);

const restoreSchema = onFirstUse(() =>
  z.strictObject({ priority: priority(), signal: z.optional(signal()) } satisfies SchemasOf<RestoreOptions>),
);

export const checkFile = (file: string | URL): string => toPath(check(path(), file, "file"), "file");

export const checkSaveOptions = (value: SaveOptions) =>
  check(saveSchema(), value satisfies InputOf<typeof saveSchema>, "options");

export const checkRestoreOptions = (value: RestoreOptions) =>
  check(restoreSchema(), value satisfies InputOf<typeof restoreSchema>, "options");
