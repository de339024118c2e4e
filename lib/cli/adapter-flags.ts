/** Flags for LoRA adapters, of the commands that take a pair, and what they mean to the API. */

import type { Command, OptionValues } from "@commander-js/extra-typings";
import type { AdapterSource } from "../engine/index.js";
import { addFlags } from "./flags.js";

/** One more `FILE` or `FILE:SCALE`. What follows the last colon is a scale if it is a number. */
export function appendAdapter(text: string, previous: readonly AdapterSource[] | undefined): readonly AdapterSource[] {
  const match = /^(.+):([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)$/i.exec(text);
  return [...(previous ?? []), match?.[1] ? { file: match[1], scale: Number(match[2]) } : { file: text }];
}

/** To follow the flags for the two models. */
export const adapterFlags = <Args extends unknown[], Own extends OptionValues>(command: Command<Args, Own>) =>
  addFlags(command, (common) =>
    common
      .option(
        "--prefill-adapter <file[:scale]>",
        "LoRA adapter of the full model, as a GGUF file; repeatable (default scale: 1)",
        appendAdapter,
      )
      .option(
        "--decode-adapter <file[:scale]>",
        "LoRA adapter of the model that writes; without --decode that is the full model, loaded once",
        appendAdapter,
      ),
  );

/** The file of the model that writes: the full model's also where it is only given adapters of its own. */
export const decodeFileOf = <File>(
  prefill: File,
  flags: { readonly decode?: File | undefined; readonly decodeAdapter?: readonly AdapterSource[] },
): File | undefined => flags.decode ?? (flags.decodeAdapter === undefined ? undefined : prefill);
