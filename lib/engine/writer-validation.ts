/** Checks the options of a pair with its decode models, be they one or several by name. */

import { check, refusedArgument } from "../internal/check-options.js";
import { isUrl } from "../internal/option-schemas.js";
import type { LoadPairOptions } from "./options.js";
import type { PrefillService } from "./remote-options.js";
import { remoteAddresses } from "./remote-validation.js";
import { type CheckedService, checkService, isService } from "./service-validation.js";
import { checkLoadPairOptions, writerSchema } from "./validation.js";
import type { OnePairOptions } from "./writer-options.js";
import { onlyWriter, prefillWriter } from "./writers.js";

type Checked = ReturnType<typeof checkLoadPairOptions>;

/** A decode model with its name. */
export interface CheckedWriter {
  readonly name: string;
  /** For messages, such as `options.decode.quick`. */
  readonly parameter: string;
  readonly source: NonNullable<Checked["decode"]>;
  readonly translator: Checked["translator"];
}

/** More would not fit the number that stands for a writer; so many are surely a mistake. */
const mostWriters = 64;

const isPlain = (value: unknown): value is object => Object.prototype.toString.call(value) === "[object Object]";

/** Whether a value is meant as decode models by their names: a single one has its file as `model`. */
export function isNamedWriters(decode: unknown): decode is Readonly<Record<string, unknown>> {
  if (!isPlain(decode)) return false;
  const { model } = decode as { readonly model?: unknown };
  return typeof model !== "string" && !isUrl(model) && Object.values(decode).some(isPlain);
}

/** For calls that take one decode model. */
export function refuseNamedWriters(decode: unknown): void {
  if (isNamedWriters(decode))
    throw refusedArgument("options.decode", "expected one decode model", `${Object.keys(decode).length} by name`);
}

/** Named decode models, checked. */
function checkNamed(decode: Readonly<Record<string, unknown>>, translator: unknown): CheckedWriter[] {
  const names = Object.keys(decode);
  if (names.length > mostWriters)
    throw refusedArgument("options.decode", `expected at most ${mostWriters} decode models`, String(names.length));
  for (const name of names)
    if (name === "" || name === prefillWriter)
      throw refusedArgument("options.decode", `expected names other than "" and "prefill"`, JSON.stringify(name));
  if (translator !== undefined)
    throw refusedArgument(
      "options.translator",
      "expected none beside decode models by name, which have their own",
      "one",
    );
  return Object.entries(decode).map(([name, value]) => {
    const parameter = `options.decode.${name}`;
    const { translator: own, ...source } = check(writerSchema(), value, parameter);
    return { name, parameter, source, translator: own };
  });
}

/** The options of a load, checked, with all decode models. Without one, the prefill model writes. */
export interface AskedPair {
  readonly checked: Checked;
  readonly writers: readonly CheckedWriter[];
  /** Who reads in the prefill model's place; `checked` then is a pair of the decode model alone. */
  readonly service?: CheckedService | undefined;
}

/** Throws ERR_INVALID_ARGUMENT. */
export function checkPair(options: LoadPairOptions): AskedPair {
  if (isService(options?.prefill)) return checkServed(options, options.prefill);
  const asked = checkWriters(options as LoadPairOptions & Pick<OnePairOptions, "prefill">);
  remoteAddresses(asked.checked.prefill, "options.prefill");
  return asked;
}

/** A pair whose prompts a server reads. */
function checkServed({ prefill, decode, ...options }: LoadPairOptions, server: PrefillService): AskedPair {
  const service = checkService(server);
  if (decode === undefined || decode === prefillWriter)
    throw refusedArgument(
      "options.decode",
      "expected decode models beside a prefill server",
      decode === undefined ? "none" : "the prefill model",
    );
  const refused = [
    ["translator", options.translator !== undefined],
    ["handover", options.handover !== undefined && options.handover !== "auto"],
    ["implementation", options.implementation !== undefined && options.implementation !== "auto"],
  ] as const;
  for (const [name, isGiven] of refused)
    if (isGiven) throw refusedArgument(`options.${name}`, "expected none beside a prefill server, which has it", "one");
  if (isNamedWriters(decode)) return { ...checkServedWriters(options, decode), service };
  const checked = checkLoadPairOptions({ ...options, prefill: decode as OnePairOptions["prefill"] });
  return { checked, writers: [], service };
}

/** Several decode models on one cache, which the first one's model has in the prefill model's place. */
function checkServedWriters(
  options: Omit<LoadPairOptions, "prefill" | "decode">,
  decode: Readonly<Record<string, unknown>>,
): AskedPair {
  const writers = checkNamed(decode, undefined);
  const translated = writers.find(({ translator }) => translator !== undefined);
  if (translated)
    throw refusedArgument(
      `${translated.parameter}.translator`,
      "expected none beside a prefill server, which has it",
      "one",
    );
  const { cacheTypeK, cacheTypeV, flashAttention, ...first } = (writers[0] as CheckedWriter).source;
  const caches = Object.fromEntries(
    Object.entries({ cacheTypeK, cacheTypeV, flashAttention }).filter(([, value]) => value !== undefined),
  );
  const prefill = first as OnePairOptions["prefill"];
  // A decode model that could not share would be written for by what is no prefill model.
  return { checked: checkLoadPairOptions({ ...options, ...caches, prefill, handover: "share" }), writers };
}

function checkWriters(options: LoadPairOptions & Pick<OnePairOptions, "prefill">): AskedPair {
  const decode: unknown = options?.decode;
  if (decode === prefillWriter)
    return { checked: checkLoadPairOptions({ ...options, decode: undefined }), writers: [] };
  if (isNamedWriters(decode)) {
    const checked = checkLoadPairOptions({ ...options, decode: undefined });
    return { checked, writers: checkNamed(decode, checked.translator) };
  }
  const checked = checkLoadPairOptions(options as OnePairOptions);
  const parameter = "options.decode";
  const only = checked.decode && [
    { name: onlyWriter, parameter, source: checked.decode, translator: checked.translator },
  ];
  return { checked, writers: only ?? [] };
}
