/** Depth-pruned decode models: which of the prefill model's layers they read, and where the layer map comes from. */

import test from "ava";
import { i32Array } from "../support/gguf-format.js";
import { answerAlone, apart, cut, deep, openPair, readAnswer, someTokens, traced } from "./fixtures.js";

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
