/** Checks the options of a host. Every refusal names the parameter. */

import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import type { LogLine } from "../engine/on-log.js";
import type { OverfillError } from "../errors/index.js";
import { check, refusedArgument, toPath } from "../internal/check-options.js";
import { inWords } from "../internal/expectations.js";
import { callback, kind, onFirstUse, path, type SchemasOf, whole } from "../internal/option-schemas.js";
import * as z from "../internal/schema.js";
import type { HostOptions, HostPort, UtilityProcessModule } from "./options.js";

const has = (name: string) => (value: unknown) =>
  typeof (value as Readonly<Record<string, unknown>> | null)?.[name] === "function";

const shape = onFirstUse(
  () =>
    ({
      restart: z.optional(z.oneOf(["never", "on-crash"])),
      maxRestarts: z.withDefault(whole(0, 1000), 3),
      restartWindowMs: z.withDefault(whole(1), 60_000),
      checkpointDirectory: z.optional(path()),
      stallTimeoutMs: z.withDefault(
        inWords(
          "a whole number of at least 10, or Infinity",
          z.union([whole(10), z.literal(Number.POSITIVE_INFINITY)]),
        ),
        600_000,
      ),
      maxMemoryBytes: z.optional(whole(1)),
      nice: z.withDefault(whole(0, 19), 0),
      onCrash: z.optional(callback<(error: OverfillError) => void>()),
      onRestart: z.optional(callback<() => void>()),
      onLog: z.optional(callback<(line: LogLine) => void>()),
      logLevel: z.withDefault(z.oneOf(["debug", "info", "warn", "error"]), "warn"),
      utilityProcess: z.optional(kind<UtilityProcessModule>("Electron's utilityProcess", has("fork"))),
      port: z.optional(kind<HostPort>("a MessagePort", has("postMessage"))),
    }) satisfies SchemasOf<HostOptions>,
);

const hostSchema = onFirstUse(() => z.strictObject(shape()));

/** Options of a host that were checked. */
export type CheckedHostOptions = Omit<z.output<ReturnType<typeof hostSchema>>, "checkpointDirectory" | "restart"> & {
  readonly restart: "never" | "on-crash";
  /** Absolute; it exists. */
  readonly checkpointDirectory: string | undefined;
};

/**
 * Takes the options of a host out of those of a pair in one.
 *
 * @throws OverfillError ERR_INVALID_ARGUMENT, also for a folder that cannot be made
 */
export function takeHostOptions<Options extends HostOptions>(
  options: Options,
): { readonly host: CheckedHostOptions; readonly pair: Omit<Options, keyof HostOptions> } {
  const names = new Set(Object.keys(shape()));
  const entries = Object.entries(options ?? {});
  const asked = Object.fromEntries(entries.filter(([name]) => names.has(name)));
  const pair = Object.fromEntries(entries.filter(([name]) => !names.has(name))) as Omit<Options, keyof HostOptions>;
  const checked = check(hostSchema(), asked, "options");
  if (checked.port && checked.utilityProcess)
    throw refusedArgument("options.port", "expected none beside utilityProcess", "a MessagePort");
  const { restart = checked.port ? "never" : "on-crash" } = checked;
  if (checked.port && restart === "on-crash")
    throw refusedArgument("options.restart", "expected none, or never, beside a port", JSON.stringify(restart));
  return { host: { ...checked, restart, checkpointDirectory: existing(checked.checkpointDirectory) }, pair };
}

function existing(directory: string | URL | undefined): string | undefined {
  if (directory === undefined) return undefined;
  const parameter = "options.checkpointDirectory";
  const folder = resolve(toPath(directory, parameter));
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw refusedArgument(parameter, "expected a folder that exists or can be made", (error as Error).message);
  }
  return folder;
}
