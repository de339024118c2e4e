/** A folder that is a pair, as the argument of the commands that answer with one. */

import type { LayerMap, PairFolder } from "../engine/index.js";
import { UsageError } from "./exit.js";
import { given } from "./flags.js";
import type { ServiceFlags } from "./prefill-flags.js";

/** What `--help` says of the argument. */
export const pairFolderHelp = "folder of a pair, as overfill make writes it, instead of --prefill and --decode";

/** Flags that a folder fills in. */
interface FolderFlags extends ServiceFlags {
  readonly prefill?: string;
  readonly decode?: string;
  readonly translator?: string;
  readonly layerMap?: LayerMap;
  readonly context?: number;
}

/**
 * The flags as if they named what the folder names; `--prefill` says where the full model lies by now, `--prefill-url` which
 * server has it, and `--context` counts. Throws a UsageError for flags that the folder has itself; rejects with what {@link readPairFolder} rejects with.
 */
export async function withPairFolder<Flags extends FolderFlags>(
  folder: string | undefined,
  flags: Flags,
): Promise<Flags> {
  if (folder === undefined) return flags;
  for (const name of ["decode", "translator", "layerMap"] as const)
    if (flags[name] !== undefined)
      throw new UsageError(
        `--${name === "layerMap" ? "layer-map" : name} and a folder name the same: give one of them`,
      );
  // Not above: flags name what is here before it is known which command runs.
  const { readPairFolder } = await import("../engine/index.js");
  const { prefill, translator, ...said } = await readPairFolder(folder);
  const context = said.contextSize === undefined ? {} : { context: said.contextSize };
  const own = { decode: said.decode.model, ...context };
  // A server has the translator, and no other one is to see the folder's key.
  if (flags.prefillUrl !== undefined) return { ...own, ...flags };
  const reader = flags.prefill === undefined ? readerFlags(prefill) : {};
  return { ...own, ...reader, ...(translator !== undefined && { translator }), ...flags };
}

/** What reads, as flags. */
const readerFlags = (prefill: PairFolder["prefill"]): FolderFlags =>
  "url" in prefill
    ? given<FolderFlags>({
        prefillUrl: prefill.url,
        prefillKeyFile: prefill.keyFile as string | undefined,
        prefillName: prefill.model,
        prefillCa: prefill.ca as string | undefined,
        prefillInsecure: prefill.insecure,
      } as { [Name in keyof FolderFlags]: FolderFlags[Name] | undefined })
    : { prefill: prefill.model };
