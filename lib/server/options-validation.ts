/** Checks what callers hand over to a server. */

import { checkSendOptions } from "../chat/validation.js";
import type { LoadPairOptions } from "../engine/index.js";
import { checkPair } from "../engine/writer-validation.js";
import { check, refusedArgument } from "../internal/check-options.js";
import {
  between,
  callback,
  kind,
  list,
  onFirstUse,
  path,
  type SchemasOf,
  text,
  whole,
} from "../internal/option-schemas.js";
import * as z from "../internal/schema.js";
import type { AuthOptions, LimitOptions, LogOptions, ServeOptions, ServerOptions, TlsOptions } from "./options.js";

const maxMs = 2 ** 31 - 1;

const isPlain = (value: unknown) => Object.prototype.toString.call(value) === "[object Object]";

/** What an HTTP header can say, and nothing that is guessed at once. */
const isKey = (value: string) => /^[\x21-\x7e]{8,}$/.test(value);

/** Texts that are no keys are refused by {@link refuseBadKeys}, which does not show them. */
const key = onFirstUse(() =>
  kind<string>("a key of 8 or more visible characters", (value) => typeof value === "string"),
);

function refuseBadKeys({ keys = [] }: AuthOptions): void {
  for (const [i, entry] of keys.entries()) {
    const secret = typeof entry === "string" ? entry : entry.key;
    if (!isKey(secret))
      throw refusedArgument(
        `options.auth.keys.${i}`,
        "expected a key of 8 or more visible characters",
        `a text of ${secret.length}`,
      );
  }
}

const authSchema = onFirstUse(() =>
  z.strictObject({
    keys: z.optional(
      list("a list of keys", z.union([key(), z.strictObject({ key: key(), name: z.optional(text(64)) })])),
    ),
    hosts: z.optional(z.union([z.literal("any"), list("a list of names", text())])),
    origins: z.optional(
      list(
        "a list of origins",
        kind<string>("an origin such as https://app.example", (value) => {
          if (typeof value !== "string" || !URL.canParse(value)) return false;
          // The origin of a scheme that URL does not know is "null" to it, as of app:// or chrome-extension://.
          const { protocol, host } = new URL(value);
          return host !== "" && `${protocol}//${host}` === value;
        }),
      ),
    ),
  } satisfies SchemasOf<AuthOptions>),
);

const limitSchema = onFirstUse(() =>
  z.strictObject({
    bodyBytes: z.optional(whole(1024, 2 ** 30)),
    bodyMs: z.optional(whole(1, maxMs)),
    maxWaiting: z.optional(whole(0, 65_536)),
    waitMs: z.optional(whole(1, maxMs)),
    requestMs: z.optional(whole(1, maxMs)),
    slowReaderMs: z.optional(whole(1, maxMs)),
    maxChoices: z.optional(whole(1, 256)),
    storedResponses: z.optional(whole(0, 1_000_000)),
    storedBytes: z.optional(between(0, Number.MAX_SAFE_INTEGER)),
    maxModels: z.optional(whole(1, 1_000_000)),
    memoryBytes: z.optional(between(1, Number.MAX_SAFE_INTEGER)),
  } satisfies SchemasOf<LimitOptions>),
);

const logSchema = onFirstUse(() =>
  z.strictObject({
    format: z.optional(z.oneOf(["json", "text"])),
    level: z.optional(z.oneOf(["debug", "info", "warn", "error"])),
    bodies: z.optional(z.boolean()),
    write: z.optional(callback<(line: string) => void>()),
  } satisfies SchemasOf<LogOptions>),
);

const optionsSchema = onFirstUse(() =>
  z.strictObject({
    models: kind<ServerOptions["models"]>(
      "an object of pairs, or of { pair } or { load } with options, by their names",
      (value) => isPlain(value) && Object.keys(value as object).length > 0,
    ),
    auth: z.optional(authSchema()),
    limits: z.optional(limitSchema()),
    log: z.optional(z.union([z.literal(false), logSchema()])),
    page: z.optional(z.boolean()),
    hostProcess: z.optional(z.boolean()),
  }),
);

const factsShape = onFirstUse(() => ({
  aliases: z.optional(list("a list of names", text(256))),
  template: z.optional(text()),
  templateVariables: z.optional(
    kind<Readonly<Record<string, unknown>>>("an object of variables by their names", isPlain),
  ),
  defaults: z.optional(kind<object>("an object of options of answers", isPlain)),
}));

const isPair = (value: unknown) =>
  typeof value === "object" && value !== null && "info" in value && "createSession" in value;

const loadOptions = onFirstUse(() => kind<object>("options of loadPair", isPlain));

const modelSchema = onFirstUse(() =>
  z.union([
    z.strictObject({ pair: kind<object>("a pair", isPair), load: z.optional(loadOptions()), ...factsShape() }),
    z.strictObject({ load: loadOptions(), ...factsShape() }),
  ]),
);

/** Of those, the server has its own words. */
const ownNames = ["tools", "toolChoice", "parallelToolCalls", "maxSteps", "schema", "signal", "logProbs"] as const;

function checkModel(name: string, model: unknown): void {
  const parameter = `options.models.${name}`;
  if (name === "" || name.length > 256)
    throw refusedArgument("options.models", "expected names of 1 to 256 characters", JSON.stringify(name));
  if (isPair(model)) return;
  const { defaults, load } = check(modelSchema(), model, parameter) as { defaults?: object; load?: object };
  if (load) checkPair(load as LoadPairOptions);
  for (const option of ownNames)
    if (defaults && option in defaults)
      throw refusedArgument(`${parameter}.defaults.${option}`, "expected it in each request", "one for all");
  checkSendOptions(defaults ?? {});
}

/** Throws ERR_INVALID_ARGUMENT. */
export function checkServerOptions(options: ServerOptions): ServerOptions {
  check(optionsSchema(), options, "options");
  refuseBadKeys(options.auth ?? {});
  for (const [name, model] of Object.entries(options.models)) checkModel(name, model);
  return options;
}

const listenSchema = onFirstUse(() =>
  z.strictObject({
    port: whole(0, 65_535),
    host: text(),
    maxConnections: whole(1, 1_000_000),
    tls: z.optional(z.strictObject({ certificate: path(), key: path() } satisfies SchemasOf<TlsOptions>)),
  }),
);

/** Throws ERR_INVALID_ARGUMENT. */
export function checkListenOptions(options: Pick<ServeOptions, "port" | "host" | "maxConnections" | "tls">): void {
  check(listenSchema(), options, "options");
}
