/** Fits a translator to two models: checks the options, chooses device and threads, and waits for the native fit. */

import { abortable, guardCallback } from "../internal/abortable.js";
import { fromCaller } from "../internal/caller-stack.js";
import { toPath } from "../internal/check-options.js";
import { chooseComputing } from "../internal/computing.js";
import { loadBinding } from "../internal/load-binding.js";
import { checkFitOptions } from "./fit-validation.js";
import type { GpuOption, LayerMap, ModelSource } from "./options.js";
import { type TranslatorInfo, toTranslatorInfo } from "./translator-info.js";

const stages = ["loading", "reading", "solving", "measuring"] as const;

/** What a fit does, in this order: load the models, read the text, solve for the maps, measure the losses. */
export type FitStage = (typeof stages)[number];

/** How far a fit has come. */
export interface FitProgress {
  readonly stage: FitStage;
  /** Of the stage: 0 to 1. */
  readonly fraction: number;
  /** Tokens of the text read so far. */
  readonly tokens: number;
}

/** Options of {@link fitTranslator}. */
export interface FitTranslatorOptions {
  /** The model that will read prompts. */
  readonly prefill: ModelSource;
  /** The model that will write; its vocabulary must be the prefill model's. */
  readonly decode: ModelSource;
  /**
   * Path or `file:` URL of a text file of the kind that prompts will be: UTF-8, at least a few thousand tokens, better a
   * hundred thousand. It is streamed, so its size does not matter for memory. Text such as `<|im_end|>` in it becomes
   * the control token of that name.
   */
  readonly text: string | URL;
  /** Where to write the translator; a file that is there is replaced when all is done. */
  readonly out: string | URL;
  /**
   * Which layer of the prefill model each layer of the decode model takes K and V from.
   * @default the same index; `"spaced"` if the models differ in depth
   */
  readonly layers?: LayerMap | undefined;
  /**
   * Whether K and V of a layer have a linear map each or one in common.
   * @default "separate"
   */
  readonly maps?: "separate" | "common" | undefined;
  /**
   * Whether the maps of K work on K without its position encoding, which is undone before and done after them. `false`
   * maps K as it is stored.
   * @default true
   */
  readonly beforeRope?: boolean | undefined;
  /**
   * Tokens that the models read at once: 32 to 8192, no more than either was trained on.
   * @default 512, or what the models were trained on if that is less
   */
  readonly chunkSize?: number | undefined;
  /**
   * Read at most this many tokens of the text: 1 or more.
   * @default all of it
   */
  readonly maxTokens?: number | undefined;
  /**
   * The ridge that keeps the maps small, relative to the mean variance of the prefill model's channels: 0 to 1000. Larger
   * for little text.
   * @default 0.0001
   */
  readonly lambda?: number | undefined;
  /**
   * Share of the text that the maps are measured on and not fitted to: 0.01 to 0.5.
   * @default 0.1
   */
  readonly heldOut?: number | undefined;
  /** Type of the maps' weights in the file. `"q8_0"` needs a size of K and V that is a multiple of 32. @default "f16" */
  readonly weightType?: "f32" | "f16" | "q8_0" | undefined;
  /**
   * Threads to compute with: 1 to 512.
   * @default as for {@link loadPair}
   */
  readonly threads?: number | undefined;
  /** As for {@link loadPair}; the fit itself runs on the CPU. @default "auto" */
  readonly gpu?: GpuOption | undefined;
  /** Called as the fit goes on. */
  readonly onProgress?: ((progress: FitProgress) => void) | undefined;
  /** Stops the fit within one micro-batch; nothing is written then, and the call rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** Answer of {@link fitTranslator}. */
export interface TranslatorFit extends TranslatorInfo {
  /** Tokens that the maps were measured on. */
  readonly heldOutTokens: number;
  /** Wall-clock milliseconds, loading included. */
  readonly ms: number;
}

/**
 * Fits the linear maps that take the prefill model's KV cache to the decode model's, in closed form, and writes them as a
 * translator file for {@link loadPair}. Both models read the text; every layer's maps come from a ridge regression over
 * the two caches. Works off the JavaScript thread.
 *
 * Memory holds both models and, for each layer of the decode model, about 3 n² doubles for K and as many for V, where n
 * is the number of KV heads times their size (48 MB a layer for 8 heads of 128).
 *
 * Rejects with
 * - ERR_INVALID_ARGUMENT for an option out of range, or a text that is too short;
 * - the codes of {@link loadPair} for a model file;
 * - ERR_PAIR_INCOMPATIBLE for models with different vocabularies, ERR_HANDOVER_UNAVAILABLE for a cache that cannot be
 *   translated;
 * - ERR_FILE_READ_FAILED for the text, ERR_FILE_WRITE_FAILED for the translator;
 * - ERR_INFERENCE_FAILED, ERR_OUT_OF_MEMORY, ERR_GPU_UNAVAILABLE, and the loader's codes;
 * - `signal.reason` when aborted.
 */
export async function fitTranslator(options: FitTranslatorOptions): Promise<TranslatorFit> {
  return fromCaller(() => fitPair(options));
}

async function fitPair(options: FitTranslatorOptions): Promise<TranslatorFit> {
  const checked = checkFitOptions(options);
  checked.signal?.throwIfAborted();
  const path = toPath(checked.out, "options.out");
  const prefill = toPath(checked.prefill.model, "options.prefill.model");
  const decode = toPath(checked.decode.model, "options.decode.model");
  const text = toPath(checked.text, "options.text");
  const binding = loadBinding();
  const { threads, modelAt } = chooseComputing(checked, prefill);

  const progress = guardCallback(options.onProgress, () => native.abort());
  const native = binding.fit(
    {
      prefill: modelAt(prefill, checked.prefill),
      decode: modelAt(decode, checked.decode),
      text,
      out: path,
      layerMap: typeof checked.layers === "string" ? checked.layers : "",
      layers: Int32Array.from(typeof checked.layers === "object" ? checked.layers : []),
      commonMap: checked.maps === "common",
      beforeRope: checked.beforeRope,
      chunkSize: checked.chunkSize ?? 0,
      maxTokens: checked.maxTokens ?? 0,
      lambda: checked.lambda,
      heldOut: checked.heldOut,
      weightType: checked.weightType,
      threads,
    },
    (stage, fraction, tokens) => progress.call?.({ stage: stages[stage] ?? "loading", fraction, tokens }),
  );
  try {
    const result = await abortable(
      checked.signal,
      () => native.abort(),
      () => native.finished,
    );
    return { ...toTranslatorInfo(result, path), heldOutTokens: result.heldOutTokens, ms: result.ms };
  } finally {
    progress.rethrow();
  }
}
