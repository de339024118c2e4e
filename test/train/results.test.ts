import test from "ava";
import { toHealResult } from "../../lib/train/results.js";

const native = {
  reason: "steps",
  ...{ steps: 3, firstStep: 0, examples: 24, tokens: 96, trainedParameters: 1000 },
  losses: Float64Array.of(3, 2, 1),
  evaluations: [{ step: 0, loss: 3.5 }],
  badLines: [{ path: "d.jsonl", line: 7, reason: "it is not valid JSON in UTF-8" }],
  ...{ path: "o.gguf", sizeBytes: 5000, tokensPerSecond: 123, ms: 45 },
  ...{ translatorPath: "", translatorSizeBytes: 0 },
} as const;

test("a result is plain, and what is absent is left out", (t) => {
  const { firstStep: _, translatorPath: __, translatorSizeBytes: ___, losses, ...rest } = native;
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
});
