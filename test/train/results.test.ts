import test from "ava";
import { toHealEstimate, toHealResult } from "../../lib/train/results.js";

const native = {
  reason: "steps",
  ...{ steps: 3, firstStep: 0, examples: 24, tokens: 96, trainedParameters: 1000 },
  losses: Float64Array.of(3, 2, 1),
  evaluations: [{ step: 0, loss: 3.5 }],
  badLines: [{ path: "d.jsonl", line: 7, reason: "it is not valid JSON in UTF-8" }],
  ...{ path: "o.gguf", sizeBytes: 5000, tokensPerSecond: 123, ms: 45 },
  ...{ readerPath: "", readerSizeBytes: 0, translatorPath: "", translatorSizeBytes: 0 },
} as const;

test("a result is plain, and what is absent is left out", (t) => {
  const {
    firstStep: _,
    readerPath: _p,
    readerSizeBytes: _b,
    translatorPath: __,
    translatorSizeBytes: ___,
    ...given
  } = native;
  const { losses, ...rest } = given;
  t.deepEqual(toHealResult({ ...native, evaluations: [...native.evaluations], badLines: [...native.badLines] }), {
    ...rest,
    losses: [...losses],
    evaluations: [...native.evaluations],
    badLines: [...native.badLines],
  });
  const lists = { evaluations: [], badLines: [] };
  t.is(toHealResult({ ...native, ...lists, firstStep: 2 }).firstStep, 2);
  const written = { translatorPath: "t.gguf", translatorSizeBytes: 700 };
  t.deepEqual(toHealResult({ ...native, ...lists, ...written }).translator, { path: "t.gguf", sizeBytes: 700 });
  const both = { readerPath: "r.gguf", readerSizeBytes: 90 };
  t.deepEqual(toHealResult({ ...native, ...lists, ...both }).reader, { path: "r.gguf", sizeBytes: 90 });
});

test("an estimate tells the sum of its bytes and the hours of all steps", (t) => {
  const memory = { weightBytes: 1000, optimiserBytes: 300, activationBytes: 20, fullBytes: 1 };
  const facts = { trainedParameters: 25, steps: 7200, tokensPerSecond: 50, msPerStep: 1500 };
  t.deepEqual(toHealEstimate({ ...facts, ...memory }), { ...facts, memory: { ...memory, totalBytes: 1321 }, hours: 3 });
});
