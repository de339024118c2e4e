/** Measures how much the parts of a model matter, apart from pruning, so that one measurement serves many sizes. */

import { runJob as waitForJob } from "../internal/abortable.js";
import { fromCaller } from "../internal/caller-stack.js";
import { checkFilePath, toPath } from "../internal/check-options.js";
import { chooseComputing } from "../internal/computing.js";
import { loadBinding } from "../internal/load-binding.js";
import { runJob } from "./job.js";
import { toNativeCalibration } from "./native-options.js";
import type { MeasureImportanceOptions } from "./options.js";
import { type Importance, toImportance } from "./results.js";
import { checkImportanceOptions } from "./validation.js";

/**
 * Runs a model over texts, captures its activations and writes what follows from them as an importance file for
 * {@link prune}. With `merge` the measurements of other files are added, as if their texts had been read as well; without
 * a text it merges only. Works off the JavaScript thread; memory does not depend on the length of the texts.
 *
 * Rejects with the codes of {@link prune} for the model, the texts and the files to merge, and with `signal.reason`.
 */
export async function measureImportance(options: MeasureImportanceOptions): Promise<Importance> {
  return fromCaller(() => measure(options));
}

async function measure(options: MeasureImportanceOptions): Promise<Importance> {
  const checked = checkImportanceOptions(options);
  checked.signal?.throwIfAborted();
  const model = toPath(checked.model, "options.model");
  const out = toPath(checked.out, "options.out");
  const texts = checked.text.map((text) => toPath(text, "options.text"));
  const merge = checked.merge.map((file) => toPath(file, "options.merge"));
  const binding = loadBinding();
  const { threads, modelAt } = chooseComputing(checked, model);
  const source = modelAt(model, checked);
  const native = { model: source, texts, merge, out, calibration: toNativeCalibration(checked), threads };
  const work = { signal: checked.signal, onProgress: options.onProgress };
  return toImportance(await runJob((onProgress) => binding.measureImportance(native, onProgress), work), out);
}

/**
 * What an importance file holds; `undefined` for a file that is none. Reads all of it, off the JavaScript thread. Rejects
 * with ERR_IMPORTANCE_INVALID for a damaged one, and with the loader's codes.
 */
export async function readImportance(path: string | URL): Promise<Importance | undefined> {
  return fromCaller(() => read(path));
}

async function read(path: string | URL): Promise<Importance | undefined> {
  const file = checkFilePath(path, "path");
  const native = await waitForJob(() => loadBinding().inspectImportance(file));
  return native && toImportance(native, file);
}
