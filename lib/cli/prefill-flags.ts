/** Flags for a server that reads in the full model's place, of the commands that answer with a pair. */

import type { Command, OptionValues } from "@commander-js/extra-typings";
import type { AdapterSource, LayerMap, PrefillService } from "../engine/index.js";
import { UsageError } from "./exit.js";
import { addFlags, type FlagsOf, given } from "./flags.js";

const addService = (command: Command) =>
  command
    .option(
      "--prefill-url <url>",
      "a server (overfill serve) that reads in the full model's place, such as https://HOST",
    )
    .option("--prefill-key-file <file>", "file with one of its keys")
    .option("--prefill-name <name>", "the model's name there (default: its first)")
    .option("--prefill-ca <file>", "PEM file with the certificates to trust (default: the system's)")
    .option("--prefill-insecure", "let http: leave this machine, for all to read and to change");

export type ServiceFlags = FlagsOf<typeof addService>;

export const serviceFlags = <Args extends unknown[], Own extends OptionValues>(command: Command<Args, Own>) =>
  addFlags(command, addService);

/** What else says which models there are. */
interface ModelFlags extends ServiceFlags {
  readonly prefill?: string;
  readonly decode?: string;
  readonly prefillAdapter?: readonly AdapterSource[];
  readonly remote?: readonly string[];
  readonly remoteKey?: string;
  readonly translator?: string;
  readonly layerMap?: LayerMap;
}

/** Whether no model is named that reads: then the demo pair answers. */
export const isDemo = ({ prefill, prefillUrl }: Pick<ModelFlags, "prefill" | "prefillUrl">): boolean =>
  prefill === undefined && prefillUrl === undefined;

const dashed = (name: string) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/**
 * The server that the flags name; undefined without one. Throws a UsageError for flags that need a server where there is none,
 * and for those of a model that the server has.
 */
export function toService(flags: ModelFlags): PrefillService | undefined {
  const { prefillUrl: url, prefillKeyFile, prefillName, prefillCa, prefillInsecure } = flags;
  if (url === undefined) {
    for (const name of ["prefillKeyFile", "prefillName", "prefillCa", "prefillInsecure"] as const)
      if (flags[name] !== undefined) throw new UsageError(`${dashed(name)} is for a server that --prefill-url names`);
    return undefined;
  }
  for (const name of ["prefill", "prefillAdapter", "remote", "remoteKey", "translator", "layerMap"] as const)
    if (flags[name] !== undefined)
      throw new UsageError(`--prefill-url names a server that has its own model: leave out ${dashed(name)}`);
  if (flags.decode === undefined)
    throw new UsageError("--prefill-url needs --decode: name the model that writes here on what is read there");
  return given<PrefillService>({
    url,
    keyFile: prefillKeyFile,
    model: prefillName,
    ca: prefillCa,
    insecure: prefillInsecure,
  } as { [Name in keyof PrefillService]: PrefillService[Name] | undefined });
}
