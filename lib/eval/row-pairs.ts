/**
 * The pairs that the rows run on: the pair itself for two-stage inference, and each of its models alone, as a user would
 * load it. One at a time is in memory.
 */

import { loadPair, type OnePairOptions, type Pair } from "../engine/index.js";
import type { EvaluateOptions } from "./options.js";
import { type EvaluatedRow, usesBoth } from "./rows.js";
import type { CheckedEvaluateOptions } from "./validation.js";

/** Which models a pair has. */
type Kind = "pair" | "prefill" | "decode";

export class RowPairs implements AsyncDisposable {
  readonly #options: CheckedEvaluateOptions;
  readonly #onProgress: (fraction: number) => void;
  #open: { readonly kind: Kind; readonly pair: Pair } | undefined;
  #contextSize: number | undefined;
  #oneModel = false;

  /** @param onProgress called while models load */
  constructor(options: CheckedEvaluateOptions, onProgress: (fraction: number) => void) {
    this.#options = options;
    this.#onProgress = onProgress;
    this.#contextSize = options.contextSize;
  }

  /** The pair of both models. Rejects with what {@link loadPair} rejects with. */
  async openPair(): Promise<Pair> {
    const pair = await this.#load("pair");
    // The models by themselves get what both together have.
    this.#contextSize = pair.info.contextSize;
    this.#oneModel = pair.info.plan.oneModel;
    return pair;
  }

  /** What the row runs on; another pair that was open is disposed. */
  async openRow(row: EvaluatedRow): Promise<Pair> {
    return this.#load(this.#oneModel || usesBoth(row) ? "pair" : (row as "prefill" | "decode"));
  }

  async #load(kind: Kind): Promise<Pair> {
    if (this.#open?.kind === kind) return this.#open.pair;
    await this.dispose();
    const pair = await loadPair(this.#loadOptions(kind));
    this.#open = { kind, pair };
    return pair;
  }

  #loadOptions(kind: Kind): OnePairOptions {
    const { signal } = this.#options;
    const { prefill, decode, translator, handover, implementation, ...common } = loadingOf(this.#options);
    const watched = {
      ...common,
      // A prompt is read in the same micro-batches whatever was asked before it.
      prefixCache: false as const,
      ...(this.#contextSize !== undefined && { contextSize: this.#contextSize }),
      ...(signal && { signal }),
      onProgress: ({ fraction }: { readonly fraction: number }) => this.#onProgress(fraction),
    };
    if (kind === "pair") return { ...watched, prefill, ...given({ decode, translator, handover, implementation }) };
    if (kind === "prefill" || decode === undefined) return { ...watched, prefill };
    // Its own cache is as it is beside the prefill model.
    const { model, gpuLayers, mmap, adapters, ...cache } = decode;
    return { ...watched, ...cache, prefill: { model, ...given({ gpuLayers, mmap, adapters }) } };
  }

  async dispose(): Promise<void> {
    await this.#open?.pair.dispose();
    this.#open = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

const loadingNames = [
  "prefill",
  "decode",
  "translator",
  "batchSize",
  "threads",
  "cacheTypeK",
  "cacheTypeV",
  "flashAttention",
  "handover",
  "implementation",
  "gpu",
] as const satisfies readonly (keyof EvaluateOptions)[];

/** What is handed on to {@link loadPair}, which checks it. */
function loadingOf(options: CheckedEvaluateOptions): Omit<OnePairOptions, "contextSize"> {
  return given(Object.fromEntries(loadingNames.map((name) => [name, options[name]]))) as unknown as OnePairOptions;
}

/** Without what is undefined: an absent option is another thing to the types. */
function given<Options extends object>(
  options: Options,
): { [Name in keyof Options]: Exclude<Options[Name], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Options]: Exclude<Options[Name], undefined>;
  };
}
