/** The public types of this room. `npm run typecheck` is what makes this file fail; running it only counts it. */

import test from "ava";
import { expectTypeOf } from "expect-type";
import {
  type Importance,
  type ImportanceMatrix,
  type LayerRule,
  type MeasureImportanceMatrixOptions,
  type MeasureImportanceOptions,
  type ModelType,
  measureImportance,
  measureImportanceMatrix,
  type PadOptions,
  type PadResult,
  type PrunableArchitecture,
  type PruneOptions,
  type PruneProgress,
  type PruneResult,
  type PruneStage,
  pad,
  prunableArchitectures,
  prune,
  type QuantizationKind,
  type QuantizationType,
  type QuantizeOptions,
  type QuantizeResult,
  quantizationTypes,
  quantize,
  readImportance,
} from "../../lib/index.js";

/** Code that is checked, never run. */
const checked = (_body: (result: PruneResult) => unknown): void => {};

test("each call takes its options and gives its result", (t) => {
  expectTypeOf(prune).parameters.toEqualTypeOf<[PruneOptions]>();
  expectTypeOf(prune).returns.resolves.toEqualTypeOf<PruneResult>();
  expectTypeOf(measureImportance).parameters.toEqualTypeOf<[MeasureImportanceOptions]>();
  expectTypeOf(measureImportance).returns.resolves.toEqualTypeOf<Importance>();
  expectTypeOf(readImportance).parameters.toEqualTypeOf<[string | URL]>();
  expectTypeOf(readImportance).returns.resolves.toEqualTypeOf<Importance | undefined>();
  expectTypeOf(pad).parameters.toEqualTypeOf<[PadOptions]>();
  expectTypeOf(pad).returns.resolves.toEqualTypeOf<PadResult>();
  expectTypeOf(quantize).parameters.toEqualTypeOf<[QuantizeOptions]>();
  expectTypeOf(quantize).returns.resolves.toEqualTypeOf<QuantizeResult>();
  expectTypeOf(measureImportanceMatrix).parameters.toEqualTypeOf<[MeasureImportanceMatrixOptions]>();
  expectTypeOf(measureImportanceMatrix).returns.resolves.toEqualTypeOf<ImportanceMatrix>();
  expectTypeOf(quantizationTypes).returns.toEqualTypeOf<readonly QuantizationKind[]>();
  expectTypeOf<QuantizationType>().extract<"iq2_xs" | "copy" | "same">().toEqualTypeOf<"iq2_xs" | "copy">();
  expectTypeOf(prunableArchitectures).returns.toEqualTypeOf<readonly PrunableArchitecture[]>();
  checked((result) => {
    // @ts-expect-error results are read-only
    result.kept.hidden[0] = 5;
    // @ts-expect-error the losses may be absent
    result.loss.after;
    const signal = new AbortController().signal;
    return [
      prune({ model: "a.gguf", out: "b.gguf", hidden: 0.45, ffn: 0.45, text: new URL("file:///t.txt"), signal }),
      prune({
        model: "a.gguf",
        out: "b.gguf",
        layers: [0, 1, 5] as const,
        quantize: "q4_k_m",
        gpu: false,
        gpuLayers: "all",
      }),
      prune({ model: "a.gguf", out: "b.gguf", targetSize: "1.0B", importance: "i.gguf", maxPartBytes: 2e9 }),
      measureImportance({ model: "a.gguf", out: "i.gguf", text: ["a.txt", new URL("file:///b.txt")] as const }),
      pad({ model: "a.gguf", out: "b.gguf", multiple: 256 }),
      quantize({ model: "a.gguf", out: "b.gguf", type: "q4_k_m", tensorTypes: { ffn: "q6_k" }, signal }),
      // @ts-expect-error a tensor's type is none of a model's
      quantize({ model: "a.gguf", out: "b.gguf", type: "q4_k_m", tensorTypes: { ffn: "q4_k_m" } }),
      // @ts-expect-error the type is required
      quantize({ model: "a.gguf", out: "b.gguf" }),
      // @ts-expect-error where to write is required
      prune({ model: "a.gguf", hidden: 0.5 }),
      // @ts-expect-error no such option
      prune({ model: "a.gguf", out: "b.gguf", width: 0.5 }),
      // @ts-expect-error no such type
      prune({ model: "a.gguf", out: "b.gguf", quantize: "Q4_K_M" }),
      // @ts-expect-error padding always scales the norms
      pad({ model: "a.gguf", out: "b.gguf", compensate: false }),
    ];
  });
  t.is(typeof prune, "function");
});

test("string unions name what there is", (t) => {
  expectTypeOf<PruneStage>().toEqualTypeOf<"loading" | "calibrating" | "writing" | "measuring">();
  expectTypeOf<LayerRule>().toEqualTypeOf<"first" | "last" | "firstlast" | "influence">();
  expectTypeOf<"same" | "f16" | "q8_0" | "q4_k_m">().toExtend<ModelType>();
  expectTypeOf<PruneProgress["stage"]>().toEqualTypeOf<PruneStage>();
  t.pass();
});

test("no public option or result is any", (t) => {
  expectTypeOf<PruneOptions[keyof PruneOptions]>().not.toBeAny();
  expectTypeOf<MeasureImportanceOptions[keyof MeasureImportanceOptions]>().not.toBeAny();
  expectTypeOf<PadOptions[keyof PadOptions]>().not.toBeAny();
  expectTypeOf<PruneResult[keyof PruneResult]>().not.toBeAny();
  expectTypeOf<Importance[keyof Importance]>().not.toBeAny();
  t.pass();
});
