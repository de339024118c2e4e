/** Writes a model in other types: checks the options, chooses the threads, and waits for the native work. */

import { fromCaller } from "../internal/caller-stack.js";
import { toPath } from "../internal/check-options.js";
import { loadBinding } from "../internal/load-binding.js";
import { chooseThreads } from "../internal/threads.js";
import { runJob } from "./job.js";
import type { QuantizeOptions } from "./quantize-options.js";
import { type QuantizeResult, toQuantizeResult } from "./quantize-results.js";
import { checkQuantizeOptions } from "./quantize-validation.js";

/**
 * Quantises a model by llama.cpp's rules: the decode model of a pair needs no pruning where a coarser type of the same
 * model is fast enough. The file is the one that llama-quantize writes, and shares its KV cache with the original. All
 * architectures that llama.cpp writes text with can be quantised, mixtures of experts too. Works off the JavaScript thread;
 * memory holds a few rows of a tensor, and the importance matrix.
 *
 * Rejects, before anything is written, with
 * - ERR_INVALID_ARGUMENT for an option out of range, a type that a tensor's shape does not allow, a pattern that is none or
 *   matches nothing, `out` naming a file that is read, tensors that would be quantised a second time without
 *   `allowRequantize`, and a type that needs an importance matrix where there is none;
 * - ERR_MODEL_NOT_FOUND, ERR_MODEL_NOT_A_FILE, ERR_MODEL_INVALID or ERR_MODEL_UNSUPPORTED for the model's file;
 * - ERR_IMPORTANCE_INVALID, ERR_IMPORTANCE_MISMATCH for an importance matrix that is broken or another model's;
 * - ERR_FILE_READ_FAILED for the importance matrix, ERR_FILE_WRITE_FAILED if the file cannot be written or the disk has no
 *   room for it;
 *
 * and on the way with ERR_MODEL_INVALID for weights that are no finite numbers or become none, ERR_FILE_WRITE_FAILED,
 * ERR_OUT_OF_MEMORY, the loader's codes, and `signal.reason` when aborted, which takes a few rows' time. No file is left
 * then, and what had the name before keeps it.
 */
export async function quantize(options: QuantizeOptions): Promise<QuantizeResult> {
  return fromCaller(() => runQuantize(options));
}

async function runQuantize(options: QuantizeOptions): Promise<QuantizeResult> {
  const checked = checkQuantizeOptions(options);
  checked.signal?.throwIfAborted();
  const { type, importance, tensorTypes = {}, keepOutputTensor, pure, allowRequantize } = checked;
  const model = toPath(checked.model, "options.model");
  const native = {
    model,
    out: toPath(checked.out, "options.out"),
    type,
    importance: importance === undefined ? "" : toPath(importance, "options.importance"),
    tensorTypes: Object.entries(tensorTypes).map(([pattern, each]) => ({ pattern, type: each })),
    outputTensorType: checked.outputTensorType ?? "",
    tokenEmbeddingType: checked.tokenEmbeddingType ?? "",
    keepOutputTensor,
    pure,
    allowRequantize,
    maxPartBytes: checked.maxPartBytes ?? 0,
    threads: checked.threads ?? chooseThreads().threads,
  };
  const binding = loadBinding();
  const work = { signal: checked.signal, onProgress: options.onProgress };
  const result = await runJob((onProgress) => binding.quantize(native, onProgress), work);
  return toQuantizeResult(result, type, importance !== undefined);
}
