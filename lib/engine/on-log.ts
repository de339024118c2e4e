/** What llama.cpp logs while it works for this package. */

import { check } from "../internal/check-options.js";
import { loadBinding } from "../internal/load-binding.js";
import { callback as aCallback, onFirstUse, type SchemasOf } from "../internal/option-schemas.js";
import * as z from "../internal/schema.js";

const levels = ["debug", "info", "warn", "error"] as const;

/** How severe a line is, from least to most. */
export type LogLevel = (typeof levels)[number];

/** A line of llama.cpp's log. */
export interface LogLine {
  readonly level: LogLevel;
  /** Without the end of the line. Wording and amount differ between versions of llama.cpp. */
  readonly text: string;
}

/** Options of {@link onLog}. */
export interface LogOptions {
  /**
   * The least severe lines to report.
   * @default "warn"
   */
  readonly level?: LogLevel | undefined;
}

const callbackSchema = onFirstUse(() => aCallback<(line: LogLine) => void>());
const optionsSchema = onFirstUse(() =>
  z.strictObject({
    level: z.withDefault(z.oneOf(levels), "warn"),
  } satisfies SchemasOf<LogOptions>),
);

/**
 * Calls `callback` with every line that llama.cpp logs on behalf of this package, also in other workers, until the
 * function that it returns is called. The calls come on the JavaScript thread, after the line was logged; they do not
 * keep the process alive, and lines that wait when it ends are lost. While 1,000 lines wait, further ones are dropped and
 * counted, and a line of level `"warn"` says how many. What `callback` throws is an uncaught exception.
 *
 * Without a listener nothing is written anywhere, unless the environment variable `OVERFILL_LOG` asks for standard error.
 * What llama.cpp logs for another package in the process is not included: it goes where that package sends it.
 *
 * @returns ends the calls; calling it again does nothing
 * @throws OverfillError ERR_INVALID_ARGUMENT; also the loader's codes, since it loads the native part
 */
export function onLog(callback: (line: LogLine) => void, options: LogOptions = {}): () => void {
  const listener = check(callbackSchema(), callback, "callback");
  const { level } = check(optionsSchema(), options, "options");
  const index = levels.indexOf(level);
  let open = true;
  const log = loadBinding().listenToLog(index, (level, text) => {
    if (open) listener({ level, text });
  });
  return () => {
    open = false;
    log.stop();
  };
}
