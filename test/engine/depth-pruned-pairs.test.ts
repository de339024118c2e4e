/** Depth-pruned decode models: which of the prefill model's layers they read, and where the layer map comes from. */

import test from "ava";
import { i32Array } from "../support/gguf-format.js";
import { answerAlone, apart, cut, deep, openPair, readAnswer, refusal, someTokens, traced } from "./fixtures.js";

const prompt = someTokens(150);
const steps = traced(24, 20);
/** Without flash attention there is float noise only. */
const exact = { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false } as const;

for (const handover of ["share", "translate"] as const)
  test(`a depth-pruned model reads the layers that its layer map names (${handover})`, async (t) => {
    const expected = await answerAlone(await openPair(t, { prefill: deep, ...exact }), prompt, steps);
    const recipe = { prefill: deep, decode: cut, handover, ...exact } as const;
    const pair = await openPair(t, { ...recipe, translator: { layers: [1, 3, 4] } });
    t.like(pair.info.plan, { kind: handover, layerMap: [1, 3, 4] });
    const session = await pair.createSession();
    await session.prefill(prompt);
    t.is((await session.switch()).implementation, handover === "share" ? "share" : "cpu");
    const distanceFound = apart(expected, await readAnswer(session.decode(steps)));
    t.true(distanceFound < 1e-3, `${distanceFound} apart`);

    const other = await openPair(t, { ...recipe, translator: { layers: [0, 3, 4] } });
    t.true(apart(expected, await answerAlone(other, prompt, steps)) > 0.1);
  });

test("a layer map in the decode model's own metadata is used, and one that the caller names goes before it", async (t) => {
  const marked = { ...cut, metadata: { "overfill.layer_map": i32Array([1, 3, 4]) } };
  t.deepEqual((await openPair(t, { prefill: deep, decode: marked })).info.plan.layerMap, [1, 3, 4]);
  const named = await openPair(t, { prefill: deep, decode: marked, translator: { layers: "firstlast" } });
  t.deepEqual(named.info.plan.layerMap, [0, 3, 4]);
});

const rules = { first: [0, 1, 2], last: [2, 3, 4], firstlast: [0, 3, 4], spaced: [0, 2, 4] } as const;
for (const [rule, layers] of Object.entries(rules))
  test(`the rule "${rule}" is a layer map`, async (t) => {
    const pair = await openPair(t, { prefill: deep, decode: cut, translator: { layers: rule as keyof typeof rules } });
    t.deepEqual(pair.info.plan.layerMap, layers);
  });

test("layers that use one layer's cells get cells of their own, since each writes there", async (t) => {
  const recipe = { prefill: { nLayers: 2 }, decode: { layers: [0, 0, 1] }, ...exact } as const;
  const translator = { layers: [0, 0, 1] } as const;
  const pair = await openPair(t, { ...recipe, translator });
  t.is(pair.info.plan.kind, "translate");
  t.like(pair.info.plan.reasons[0], { field: "layers", prefill: "0", decode: "0 and 1", served: true });
  const copied = await openPair(t, { ...recipe, translator, handover: "translate" });
  t.is(apart(await answerAlone(pair, prompt, steps), await answerAlone(copied, prompt, steps)), 0);
  await refusal(t, "ERR_HANDOVER_UNAVAILABLE", () => openPair(t, { ...recipe, translator, handover: "share" }));
});
