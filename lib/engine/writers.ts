/** The models of a pair that can write an answer, by name: its decode models and the prefill model. */

import { refusedArgument } from "../internal/check-options.js";
import { nearestName } from "../internal/nearest-name.js";
import type { PairInfo } from "./results.js";

/** The name of a pair's only decode model, unless it was given another. */
export const onlyWriter = "decode";

/** The prefill model as a writer: a name that no decode model may have. */
export const prefillWriter = "prefill";

type Writers = PairInfo["writers"];

/** The name of who writes where nobody is named. */
export const defaultWriter = (writers: Writers): string => Object.keys(writers)[0] ?? onlyWriter;

/**
 * A writer as the binding takes it: 0 for the prefill model, from 1 on the decode models. Refuses a name that none has.
 *
 * @throws InvalidArgumentError ERR_INVALID_ARGUMENT
 */
export const writerNumber = (writers: Writers, name: string): number =>
  numberIn([prefillWriter, ...Object.keys(writers)], name);

/** The same for what only a decode model can do. */
export const decodeWriterNumber = (writers: Writers, name: string): number => numberIn(Object.keys(writers), name) + 1;

function numberIn(names: readonly string[], name: string): number {
  const number = names.indexOf(name);
  if (number >= 0) return number;
  const known = names.map((one) => JSON.stringify(one));
  const last = known.pop();
  const all = known.length > 0 ? `${known.join(", ")} or ${last}` : last;
  throw refusedArgument(
    "options.writer",
    `expected ${known.length > 1 ? "one of " : ""}${all}`,
    JSON.stringify(name),
    nearestName(name, names),
  );
}
