/** Evaluations of a model and its adapter: the figures of the merged model, and one set of weights. */

import { join } from "node:path";
import test from "ava";
import { evaluate } from "../../lib/index.js";
import { withTempDir } from "../support/temp-dir.js";
import { merging, writeTinyAdapter } from "../support/tiny-adapter.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { tinyShape } from "../train/fixtures.js";
import { figureOf, short, writeEvaluationFiles } from "./fixtures.js";

test("a model and its adapter have the figures of the model and the merged one, in less memory", async (t) => {
  const folder = withTempDir(t);
  const { full: model, responses: data } = await writeEvaluationFiles(folder);
  const [adapter, merged] = [join(folder, "adapter.gguf"), join(folder, "merged.gguf")];
  await writeTinyAdapter(adapter, { model: tinyShape });
  await writeTinyModel(merged, { ...tinyShape, tensorEdit: await merging({ model: tinyShape }) });
  const exact = { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false } as const;
  const common = { ...short, ...exact, prefill: model, data };
  const adapted = await evaluate({ ...common, decode: { model, adapters: [{ file: adapter }] } });
  const expected = await evaluate({ ...common, decode: merged });
  for (const row of ["prefill", "decode", "two-stage"] as const) {
    const [found, wanted] = [figureOf(adapted, row, "perplexity"), figureOf(expected, row, "perplexity")];
    t.true(Math.abs(found / wanted - 1) < 1e-4, `${row}: ${found}, ${wanted}`);
  }
  t.not(figureOf(adapted, "decode", "perplexity"), figureOf(adapted, "prefill", "perplexity"));
  t.deepEqual(adapted.decode?.adapters, [{ path: adapter, scale: 1, rank: 4, alpha: 8 }]);
  const weights = adapted.rows.map(({ memory }) => memory.weightBytes);
  t.true(weights.every((bytes) => bytes === weights[0]));
});
