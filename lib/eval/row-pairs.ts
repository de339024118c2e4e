/**
 * The pairs that the rows run on: the pair itself for two-stage inference, and each of its models alone, as a user would
 * load it. One at a time is in memory.
 */

import { loadPair, type Pair } from "../engine/index.js";
import { type PairKind, toLoadOptions } from "./loading.js";
import { type EvaluatedRow, usesBoth } from "./rows.js";
import type { CheckedEvaluateOptions } from "./validation.js";

export class RowPairs implements AsyncDisposable {
  readonly #options: CheckedEvaluateOptions;
  readonly #onProgress: (fraction: number) => void;
  #open: { readonly kind: PairKind; readonly pair: Pair } | undefined;
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

  async #load(kind: PairKind): Promise<Pair> {
    if (this.#open?.kind === kind) return this.#open.pair;
    await this.dispose();
    const pair = await loadPair(
      toLoadOptions(this.#options, kind, { contextSize: this.#contextSize, onProgress: this.#onProgress }),
    );
    this.#open = { kind, pair };
    return pair;
  }

  async dispose(): Promise<void> {
    await this.#open?.pair.dispose();
    this.#open = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}
