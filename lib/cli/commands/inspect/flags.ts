/** `overfill inspect`: its flags. */

import type { Command } from "commander";
import type { CacheType, LayerMap } from "../../../engine/index.js";
import { cacheTypeFlags, decodeCacheTypeFlags, parseNumber, translatorFlags } from "../../flags.js";

/** The flags as commander hands them over. */
export interface InspectFlags {
  readonly context?: number;
  readonly cacheTypeK?: CacheType;
  readonly cacheTypeV?: CacheType;
  readonly decodeCacheTypeK?: CacheType;
  readonly decodeCacheTypeV?: CacheType;
  readonly translator?: string;
  readonly layerMap?: LayerMap;
  readonly plot?: string;
  readonly json?: boolean;
}

export function addInspectCommand(program: Command): Command {
  const command = program
    .command("inspect")
    .description(
      "what one or two models are, whether they pair and why, and the memory they take; or what a translator or an importance file is",
    )
    .argument("<prefill>", "GGUF file of a model (of a pair, the one that reads) of a translator or of importance")
    .argument("[decode]", "GGUF file of the model that writes")
    .option("--context <tokens>", "context size to reckon memory for (default: as trained, at most 4096)", parseNumber);
  for (const flag of [...cacheTypeFlags(), ...decodeCacheTypeFlags(), ...translatorFlags()]) command.addOption(flag);
  command
    .option("--plot <file>", "draw a translator's error by layer into an SVG file")
    .option("--json", "print one JSON object in place of the tables");
  return command;
}
