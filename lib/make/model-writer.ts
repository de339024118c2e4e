/** Writes the models that a pair is made of, and times them behind the full one. */

import { join } from "node:path";
import { type BenchReport, bench } from "../eval/index.js";
import { measureImportanceMatrix, prune, type QuantizationType, quantizationTypes, quantize } from "../prune/index.js";
import type { Trial } from "./choose-model.js";
import type { MeasuredFull } from "./machine.js";
import type { Widths } from "./model-cost.js";
import type { Prepared } from "./preparation.js";
import type { ProgressTeller } from "./progress-teller.js";
import { plainTextOf } from "./prompt-files.js";
import { put } from "./step-book.js";
import type { SearchSpace } from "./width-search.js";

/** Options that all work has. */
export function commonOf({ checked: { threads, gpu, signal } }: Prepared) {
  return { ...(threads !== undefined && { threads }), gpu, ...(signal && { signal }) };
}

/** Options of what loads a pair. */
export function loadingOf(prepared: Prepared) {
  const { contextSize } = prepared.checked;
  return { ...commonOf(prepared), ...(contextSize !== undefined && { contextSize }) };
}

export class ModelWriter {
  constructor(
    readonly prepared: Prepared,
    readonly folder: string,
    readonly teller: ProgressTeller,
  ) {}

  async speedOf(decode: string, { machine, contextSize }: MeasuredFull, detail: string): Promise<number> {
    const promptTokens = Math.max(16, Math.min(machine.promptTokens, 512, contextSize - 64));
    const { rows } = await bench({
      ...loadingOf(this.prepared),
      prefill: this.prepared.source,
      decode,
      promptLengths: [promptTokens],
      maxTokens: 33,
      rounds: 3,
      acceptances: [],
      onProgress: ({ stage, fraction }) => {
        if (stage === "timing") this.teller.tell({ fraction: 0.3 + 0.7 * fraction, detail });
      },
    });
    return timesOf(rows);
  }

  async prune(
    from: Prepared["source"],
    { shape, multiple }: SearchSpace,
    { hidden, ffn, layers }: Widths,
    importance: string | undefined,
    out: string,
    again: boolean,
  ): Promise<object> {
    const { before, after, ms } = await prune({
      ...commonOf(this.prepared),
      ...from,
      out,
      hidden: hidden < shape.hiddenSize ? hidden : 0,
      ffn: ffn < shape.feedForwardSize ? ffn : 0,
      ...(layers < shape.layers && { layers, layerRule: "influence" as const }),
      ...(importance !== undefined && { importance }),
      multiple,
      ...(again && { again }),
    });
    return { before, after, ms };
  }

  /** @param calibration text, or lines of training, for types that need an importance matrix */
  async quantize(model: string, out: string, type: string, calibration: string | undefined): Promise<Trial> {
    const needed = quantizationTypes().find(({ name }) => name === type)?.importance === "needed";
    const matrix = join(this.folder, "matrix.gguf");
    if (needed) {
      const text = this.prepared.text ?? join(this.folder, "matrix.txt");
      const lines = calibration ?? join(this.folder, "train.jsonl");
      if (this.prepared.text === undefined) await put(text, await plainTextOf(lines, commonOf(this.prepared).signal));
      await measureImportanceMatrix({ ...commonOf(this.prepared), model, text, out: matrix, window: 64 });
    }
    const { gpu: _gpu, ...work } = commonOf(this.prepared);
    const { parameters, after } = await quantize({
      ...work,
      model,
      out,
      type: type as QuantizationType,
      // The full model may be quantised already; it is the best that there is.
      allowRequantize: true,
      ...(needed && { importance: matrix }),
      onProgress: ({ fraction }) => this.teller.tell({ fraction, detail: type }),
    });
    return { parameters, sizeBytes: after.sizeBytes };
  }
}

/** How many times as fast as the full model the fast way writes. */
export const timesOf = (rows: BenchReport["rows"]): number =>
  rows.find(({ way }) => way === "fast")?.speed.writesTimes ?? 0;
