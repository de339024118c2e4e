/** Trains a model: checks the options, chooses device and threads, and waits for the native work. */

import type {
  NativeBinding,
  NativeHealEvents,
  NativeHealListener,
  NativeHealOptions,
  NativeJob,
} from "../internal/binding-types.js";
import { fromCaller } from "../internal/caller-stack.js";
import { chooseComputing } from "../internal/computing.js";
import { loadBinding } from "../internal/load-binding.js";
import { runTraining } from "./job.js";
import { toNativeHealOptions } from "./native-options.js";
import type { HealOptions } from "./options.js";
import { pathsOf } from "./paths.js";
import { type HealEstimate, type HealResult, toHealEstimate, toHealResult } from "./results.js";
import { checkHealOptions } from "./validation.js";

/**
 * Trains the decode model of a pair on the full model's KV cache: the frozen full model reads each prompt, its cache is
 * handed over as {@link loadPair} would hand it over, and the student learns to write the response on it, from its second
 * token on, since the full model gives the first. Other modes train a model by itself. Works off the JavaScript thread;
 * equal options, files and threads on one machine give an equal file, bit for bit, interrupted and resumed or not.
 *
 * With `train: "reader"` it is the full model that is trained, so that its cache suits a student that stays as it is, and
 * with `"both"` each of them (arXiv 2609.26333).
 *
 * The method is that of OverFill (arXiv 2508.08446); the optimiser is AdamW (arXiv 1711.05101), with distillation
 * (arXiv 1503.02531) and LoRA (arXiv 2106.09685) as options.
 *
 * Rejects with
 * - ERR_INVALID_ARGUMENT for an option out of range or options that contradict each other;
 * - ERR_MODEL_NOT_FOUND, ERR_MODEL_NOT_A_FILE, ERR_MODEL_INVALID, ERR_MODEL_UNSUPPORTED or ERR_MODEL_LOAD_FAILED for a
 *   model's file; ERR_MODEL_UNSUPPORTED also for a student whose architecture cannot be trained, and for chats where the
 *   student has no chat template;
 * - ERR_OPERATION_UNSUPPORTED for a device that lacks an operation, which `details` names; `gpuLayers: 0` trains on the
 *   CPU; for a reader also where the handover encodes positions anew without a linear map;
 * - ERR_PAIR_INCOMPATIBLE, ERR_HANDOVER_UNAVAILABLE for a full model that does not go with the student;
 *   ERR_TRANSLATOR_INVALID, ERR_TRANSLATOR_MISMATCH for a translator that does not fit the two;
 * - ERR_DATA_INVALID for data without a usable line, or with more bad ones than `maxBadLines`; `details` names the line;
 * - ERR_CHECKPOINT_INVALID for a checkpoint that is damaged or of a training with other options or files;
 * - ERR_TRAINING_DIVERGED for a loss or a gradient that is no longer a finite number; the last checkpoint stays;
 * - ERR_FILE_READ_FAILED for the data, ERR_FILE_WRITE_FAILED for what is written (a full disk, too);
 * - ERR_INFERENCE_FAILED, ERR_OUT_OF_MEMORY, ERR_GPU_UNAVAILABLE, and the loader's codes;
 * - `signal.reason` when aborted, or what a callback has thrown: once the checkpoint is written.
 *
 * After a rejection there is nothing at `out`, `readerOut` and `translatorOut` but what was there before; the checkpoint at
 * `checkpoint` is whole.
 */
export async function heal(options: HealOptions): Promise<HealResult> {
  return fromCaller(async () => toHealResult(await trainWith(options, (binding, ...given) => binding.heal(...given))));
}

/**
 * What {@link heal} would take with the same options: one step is computed with both models in their places, its time and
 * its memory are measured, and nothing is written. Rejects as {@link heal} does.
 */
export async function estimateHeal(options: HealOptions): Promise<HealEstimate> {
  return fromCaller(async () =>
    toHealEstimate(await trainWith(options, (binding, ...given) => binding.estimateHeal(...given))),
  );
}

type Begin<Result> = (
  binding: NativeBinding,
  options: NativeHealOptions,
  listener: NativeHealListener,
) => NativeJob<Result>;

async function trainWith<Result>(options: HealOptions, begin: Begin<Result>): Promise<Result> {
  const checked = checkHealOptions(options);
  checked.signal?.throwIfAborted();
  const { student, full, ...files } = pathsOf(checked);
  const binding = loadBinding();
  const { threads, modelAt } = chooseComputing(checked, student);
  const models = {
    student: modelAt(student, checked.student),
    full: checked.full && modelAt(full, checked.full),
  };
  const native = toNativeHealOptions(checked, models, files, threads);
  const { onProgress, onBadLine, onEvaluation } = options;
  const work = { onProgress, onBadLine, onEvaluation, signal: checked.signal };
  const start = (events: NativeHealEvents) =>
    begin(binding, native, (name, news) => (events[name] as (of: typeof news) => void)(news));
  return runTraining(start, work);
}
