/** Makes a smaller model of a model: checks the options, chooses device and threads, and waits for the native work. */

import { resolve } from "node:path";
import { fromCaller } from "../internal/caller-stack.js";
import { refusedArgument, toPath } from "../internal/check-options.js";
import { chooseComputing } from "../internal/computing.js";
import { loadBinding } from "../internal/load-binding.js";
import { runJob } from "./job.js";
import { type PrunePaths, toNativePruneOptions } from "./native-options.js";
import type { PruneOptions } from "./options.js";
import { type PruneResult, toPruneResult } from "./results.js";
import { type CheckedPruneOptions, checkPruneOptions } from "./validation.js";

/**
 * Prunes a model: measures on a text how much its channels, heads and layers matter, keeps the ones that matter most, and
 * writes a GGUF file of what stays. The KV cache's shape stays as it is unless `kvHeads` asks otherwise, and a layer map in
 * the file says which layers went, so that the two models share a cache. Works off the JavaScript thread; memory holds
 * the model while importance and losses are measured, and a few tensors while the file is written.
 *
 * The method is that of OverFill (arXiv 2508.08446), which takes it from Minitron (arXiv 2407.14679); block influence is
 * ShortGPT's (arXiv 2403.03853). A pruned model has lost much and is healed afterwards by training.
 *
 * Rejects with
 * - ERR_INVALID_ARGUMENT for an option out of range, sizes that leave nothing, a target that cannot be met, a text shorter
 *   than one window, a type that the widths do not fit;
 * - ERR_MODEL_NOT_FOUND, ERR_MODEL_NOT_A_FILE, ERR_MODEL_INVALID, ERR_MODEL_UNSUPPORTED or ERR_MODEL_LOAD_FAILED for the
 *   model's file;
 * - ERR_PRUNE_UNSUPPORTED for an architecture without a row in {@link prunableArchitectures}, a mixture of experts, or
 *   sizes that the architecture cannot have; ERR_ALREADY_PRUNED for a model that was made by pruning, without `again` or if it lacks layers;
 * - ERR_IMPORTANCE_INVALID, ERR_IMPORTANCE_MISMATCH for an importance file that is broken or another model's;
 * - ERR_FILE_READ_FAILED for the text or the importance, ERR_FILE_WRITE_FAILED for what is written (a full disk, too);
 * - ERR_INFERENCE_FAILED, ERR_OUT_OF_MEMORY, ERR_GPU_UNAVAILABLE, and the loader's codes;
 * - `signal.reason` when aborted.
 *
 * After a rejection there is no model at `out`, unless one was there before, and the parent is never changed.
 */
export async function prune(options: PruneOptions): Promise<PruneResult> {
  return fromCaller(() => runPrune(options));
}

async function runPrune(options: PruneOptions): Promise<PruneResult> {
  const checked = checkPruneOptions(options);
  checked.signal?.throwIfAborted();
  const model = toPath(checked.model, "options.model");
  const paths = pathsOf(checked);
  const binding = loadBinding();
  const { threads, modelAt } = chooseComputing(checked, model);
  const source = modelAt(model, checked);
  const native = toNativePruneOptions(checked, source, paths, threads);
  const work = { signal: checked.signal, onProgress: options.onProgress };
  return toPruneResult(await runJob((onProgress) => binding.prune(native, onProgress), work));
}

function pathsOf({ out, text, importance, saveImportance }: CheckedPruneOptions): PrunePaths {
  const given = (file: string | URL | undefined, name: string) =>
    file === undefined ? "" : toPath(file, `options.${name}`);
  const paths = {
    out: toPath(out, "options.out"),
    text: given(text, "text"),
    importance: given(importance, "importance"),
    saveImportance: given(saveImportance, "saveImportance"),
  };
  if (paths.saveImportance !== "" && resolve(paths.saveImportance) === resolve(paths.out))
    throw refusedArgument("options.saveImportance", "expected a file other than out", paths.saveImportance);
  return paths;
}
