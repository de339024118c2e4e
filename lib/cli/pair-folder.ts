/** A folder that is a pair, as the argument of the commands that answer with one. */

import type { LayerMap, PairFolder } from "../engine/index.js";
import { UsageError } from "./exit.js";

/** What `--help` says of the argument. */
export const pairFolderHelp = "folder of a pair, as overfill make writes it, instead of --prefill and --decode";

/** Flags that a folder fills in. */
interface FolderFlags {
  readonly prefill?: string;
  readonly decode?: string;
  readonly translator?: string;
  readonly layerMap?: LayerMap;
  readonly context?: number;
}

/**
 * The flags as if they named what the folder names; `--prefill` says where the full model lies by now, and `--context`
 * counts. Throws a UsageError for flags that the folder has itself; rejects with what {@link readPairFolder} rejects with.
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
  return { ...ofFolder(await readPairFolder(folder)), ...flags };
}

const ofFolder = ({ prefill, decode, translator, contextSize }: PairFolder): FolderFlags => ({
  prefill: prefill.model,
  decode: decode.model,
  ...(translator !== undefined && { translator }),
  ...(contextSize !== undefined && { context: contextSize }),
});
