/** Checks of what callers ask of a prefill server. */

import { check, refusedArgument, toPath } from "../internal/check-options.js";
import { onFirstUse, path, type SchemasOf, text } from "../internal/option-schemas.js";
import * as z from "../internal/schema.js";
import type { PrefillService } from "./remote-options.js";
import { isLoopback } from "./remote-validation.js";

const serviceSchema = onFirstUse(() =>
  z.strictObject({
    url: text(2048),
    key: z.optional(text(4096)),
    keyFile: z.optional(path()),
    model: z.optional(text(1024)),
    ca: z.optional(path()),
    insecure: z.optional(z.boolean()),
  } satisfies SchemasOf<PrefillService>),
);

/** A server, checked: plain data that may cross to a host. */
export interface CheckedService {
  readonly url: string;
  readonly key: string | undefined;
  readonly keyFile: string | undefined;
  readonly model: string | undefined;
  readonly caFile: string | undefined;
}

/** Whether a value is meant as a server in the prefill model's place. */
export const isService = (prefill: unknown): prefill is PrefillService =>
  typeof prefill === "object" && prefill !== null && "url" in prefill;

function urlOf(url: string, insecure: boolean): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const isHttp = parsed?.protocol === "http:" || parsed?.protocol === "https:";
  if (!parsed || !isHttp || parsed.username !== "" || parsed.search !== "" || parsed.hash !== "")
    throw refusedArgument("options.prefill.url", "expected an http: or https: URL of a server", JSON.stringify(url));
  const host = parsed.hostname.replace(/^\[|\]$/g, "");
  if (parsed.protocol === "http:" && !insecure && !isLoopback(host))
    throw refusedArgument(
      "options.prefill.url",
      "expected https: for another machine, since http: protects nothing (insecure: true sends all the same)",
      JSON.stringify(url),
    );
  return parsed;
}

/** What a key must be: it goes into a header. */
const isPrintable = (key: string) => /^[\x21-\x7e]+$/.test(key);

/** Throws ERR_INVALID_ARGUMENT. */
export function checkService(prefill: PrefillService): CheckedService {
  const { url, key, keyFile, model, ca, insecure = false } = check(serviceSchema(), prefill, "options.prefill");
  const { href } = urlOf(url, insecure);
  if (key !== undefined && keyFile !== undefined)
    throw refusedArgument("options.prefill.keyFile", "expected none beside a key", "one");
  if (key !== undefined && !isPrintable(key))
    throw refusedArgument("options.prefill.key", "expected a key of printable characters", "others");
  const pathOf = (name: string, file: string | URL | undefined) =>
    file === undefined ? undefined : toPath(file, `options.prefill.${name}`);
  return { url: href, key, keyFile: pathOf("keyFile", keyFile), model, caFile: pathOf("ca", ca) };
}
