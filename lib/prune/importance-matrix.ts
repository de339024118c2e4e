/** Measures what a model's weights are multiplied with, for quantising by it. */

import { fromCaller } from "../internal/caller-stack.js";
import { toPath } from "../internal/check-options.js";
import { chooseComputing } from "../internal/computing.js";
import { loadBinding } from "../internal/load-binding.js";
import { runJob } from "./job.js";
import type { MeasureImportanceMatrixOptions } from "./quantize-options.js";
import { type ImportanceMatrix, toImportanceMatrix } from "./quantize-results.js";
import { checkMatrixOptions } from "./quantize-validation.js";

/**
 * Runs a model over texts and writes an importance matrix for {@link quantize}: for each weight matrix the mean square of
 * every column's input. The file is llama-imatrix's (GGUF), so that other tools read it. With `merge` the measurements of
 * other files are added, as if their texts had been read as well; without a text it merges only. This is another
 * measurement than {@link measureImportance}'s, which pruning goes by, and takes models of every architecture. Works off
 * the JavaScript thread; memory does not depend on the length of the texts.
 *
 * Rejects with
 * - ERR_INVALID_ARGUMENT for an option out of range, a text shorter than one window, a window longer than the model was
 *   trained on, and `out` naming a file that is read;
 * - the codes of {@link loadPair} for the model and the device; ERR_MODEL_UNSUPPORTED also for encoders;
 * - ERR_IMPORTANCE_INVALID, ERR_IMPORTANCE_MISMATCH for a matrix to merge that is broken or another model's;
 * - ERR_FILE_READ_FAILED and ERR_DATA_INVALID for the texts, ERR_FILE_WRITE_FAILED for what is written;
 * - ERR_INFERENCE_FAILED, ERR_OUT_OF_MEMORY; and `signal.reason` when aborted.
 */
export async function measureImportanceMatrix(options: MeasureImportanceMatrixOptions): Promise<ImportanceMatrix> {
  return fromCaller(() => measure(options));
}

async function measure(options: MeasureImportanceMatrixOptions): Promise<ImportanceMatrix> {
  const checked = checkMatrixOptions(options);
  checked.signal?.throwIfAborted();
  const model = toPath(checked.model, "options.model");
  const out = toPath(checked.out, "options.out");
  const texts = checked.text.map((text) => toPath(text, "options.text"));
  const merge = checked.merge.map((file) => toPath(file, "options.merge"));
  const binding = loadBinding();
  const { threads, modelAt } = chooseComputing(checked, model);
  const { window = 0, maxSamples = 0 } = checked;
  const native = { model: modelAt(model, checked), texts, merge, out, window, maxSamples, threads };
  const work = { signal: checked.signal, onProgress: options.onProgress };
  return toImportanceMatrix(
    await runJob((onProgress) => binding.measureImportanceMatrix(native, onProgress), work),
    out,
  );
}
