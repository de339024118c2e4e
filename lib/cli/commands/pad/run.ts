/** What `overfill pad` does: pads with a progress bar, into a file that has a name of its own. */

import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { pad } from "../../../prune/index.js";
import { UsageError } from "../../exit.js";
import { runWork } from "../../work.js";
import { type PadFlags, toPadOptions } from "./flags.js";
import { renderPadded } from "./render.js";

export async function runPad(model: string, flags: PadFlags): Promise<void> {
  const out = flags.out ?? freeName(model);
  const options = toPadOptions(model, out, flags);
  await runWork(flags, (watch) => pad({ ...options, ...watch }), renderPadded);
}

/** Beside the model; refuses a name that was taken, by a file or by its parts, since nobody asked to replace that. */
function freeName(model: string): string {
  const out = paddedName(model);
  const stem = basename(out, ".gguf");
  // That there is no such folder, and so no such model, is the API's to tell.
  const names = existsSync(dirname(out)) ? readdirSync(dirname(out)) : [];
  const isTaken = (name: string) => name.startsWith(stem) && /^(-\d{5}-of-\d{5})?\.gguf$/.test(name.slice(stem.length));
  const taken = names.find(isTaken);
  if (taken !== undefined)
    throw new UsageError(`${join(dirname(out), taken)} already exists: name another file with --out`);
  return out;
}

/** `decode.gguf` becomes `decode-padded.gguf`, as does `decode-00001-of-00003.gguf`. */
export function paddedName(model: string): string {
  const stem = basename(model)
    .replace(/\.gguf$/i, "")
    .replace(/-\d{5}-of-\d{5}$/, "");
  return join(dirname(model), `${stem}-padded.gguf`);
}
