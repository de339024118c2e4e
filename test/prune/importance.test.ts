/** Importance files: measured once, used for many sizes, added up, and refused where they do not fit. */

import { copyFileSync, existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import anyTest, { type TestFn } from "ava";
import {
  type MeasureImportanceOptions,
  measureImportance,
  PruneError,
  prune,
  readImportance,
} from "../../lib/index.js";
import { quiet, refusal } from "../engine/fixtures.js";
import { lookupPair, lookups } from "../support/lookups.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { exact, fullShape, pruneExactly, scoresOf, writeFull } from "./fixtures.js";

const test = anyTest as TestFn<{ readonly model: string; readonly text: string; readonly remove: () => Promise<void> }>;

test.before(async (t) => {
  const { path, remove } = makeTempDir();
  t.context = { ...(await writeFull(path)), remove };
});
test.after.always((t) => t.context.remove?.());

const small = { ...quiet, window: 64 } as const satisfies Partial<MeasureImportanceOptions>;

test("importance has a score of every part, and the file holds what was measured", async (t) => {
  const { model, text } = t.context;
  const folder = withTempDir(t);
  const out = join(folder, "i.gguf");
  const importance = await measureImportance({ ...small, model, text, out });
  t.deepEqual(readdirSync(folder), ["i.gguf"]);
  t.like(importance, { path: out, text: "text.txt", window: 64, model: { name: "full", architecture: "llama" } });
  t.regex(importance.model.fingerprint, /^llama-[0-9a-f]{16}$/);
  const { hidden, hiddenByLayer, feedForward, heads, blockInfluence, samples, tokens, loss } = importance;
  for (const statistic of ["signed", "absolute"] as const) {
    t.is(hidden[statistic].length, 128);
    t.deepEqual(
      hiddenByLayer[statistic].map(({ length }) => length),
      [128, 128, 128, 128],
    );
    t.deepEqual(
      feedForward[statistic].map(({ length }) => length),
      [256, 256, 256, 256],
    );
  }
  t.deepEqual(
    heads.map(({ length }) => length),
    [8, 8, 8, 8],
  );
  t.is(blockInfluence.length, 4);
  for (const score of scoresOf(importance)) t.true(Number.isFinite(score) && score >= 0);
  for (const influence of blockInfluence) t.true(influence > 0 && influence < 2);
  // The size of a mean is at most the mean of the size.
  for (const [i, score] of hidden.signed.entries()) t.true(score <= (hidden.absolute[i] ?? 0) * (1 + 1e-9));
  t.true(samples > 40 && tokens === samples * 64);
  t.true(loss > 0 && loss < 10);
  t.deepEqual(await readImportance(out), importance);
});

test("a model pruned by a file is the one pruned by its text", async (t) => {
  const { model, text } = t.context;
  const folder = withTempDir(t);
  const saved = join(folder, "i.gguf");
  const sizes = { hidden: 0.5, ffn: 0.5, heads: 4 } as const;
  const measured = await pruneExactly({ model, text, out: join(folder, "a.gguf"), saveImportance: saved, ...sizes });
  const reused = await pruneExactly({ model, importance: saved, out: join(folder, "b.gguf"), ...sizes });
  t.deepEqual(reused.kept, measured.kept);
  t.deepEqual(reused.after, measured.after);
  t.false("loss" in reused);
  const stored = await readImportance(saved);
  t.is(measured.calibration?.samples, stored?.samples);
  // With a text as well there are losses, on all of it.
  const both = await pruneExactly({ model, text, importance: saved, out: join(folder, "c.gguf"), ...sizes });
  t.deepEqual(both.kept, measured.kept);
  t.true((both.loss?.tokens ?? 0) > (measured.loss?.tokens ?? 0));
  // And other sizes without the text.
  const other = await pruneExactly({ model, importance: saved, out: join(folder, "d.gguf"), hidden: 0.25 });
  for (const channel of measured.kept.hidden) t.true(other.kept.hidden.includes(channel));
});

test("texts measured together are texts measured apart and merged", async (t) => {
  const { model, text } = t.context;
  const folder = withTempDir(t);
  const content = readFileSync(text, "utf8");
  const file = (name: string) => join(folder, name);
  writeFileSync(file("a.txt"), content.slice(0, 2000));
  writeFileSync(file("b.txt"), content.slice(2000, 5000));
  const run = (options: Partial<MeasureImportanceOptions>, out: string) =>
    measureImportance({ ...small, model, ...options, out: file(out) });
  const together = await run({ text: [file("a.txt"), file("b.txt")] }, "together.gguf");
  const a = await run({ text: file("a.txt") }, "a.gguf");
  const b = await run({ text: file("b.txt"), merge: file("a.gguf") }, "b.gguf");
  await run({ text: file("b.txt") }, "b-alone.gguf");
  const merged = await run({ merge: [file("a.gguf"), file("b-alone.gguf")] }, "merged.gguf");
  t.is(together.text, "a.txt, b.txt");
  t.true(together.samples > a.samples);
  for (const other of [b, merged]) {
    t.deepEqual([other.samples, other.tokens], [together.samples, together.tokens]);
    t.true(Math.abs(other.loss - together.loss) < 1e-6);
    const expected = scoresOf(together);
    for (const [i, score] of scoresOf(other).entries())
      t.true(Math.abs(score - (expected[i] ?? 0)) <= 1e-6 * (1 + Math.abs(score)));
  }
});

test("batches and limits change how much is read, not what is found", async (t) => {
  const { model, text } = t.context;
  const folder = withTempDir(t);
  const run = (options: Partial<MeasureImportanceOptions>) =>
    measureImportance({ ...small, model, text, out: join(folder, "i.gguf"), maxSamples: 20, ...options });
  const one = await run({ windowsPerBatch: 1 });
  t.is(one.samples, 20);
  const many = await run({ windowsPerBatch: 7 });
  t.is(many.samples, 20);
  const expected = scoresOf(one);
  for (const [i, score] of scoresOf(many).entries())
    t.true(Math.abs(score - (expected[i] ?? 0)) <= 1e-4 * (1e-3 + Math.abs(score)), `${score} ${expected[i]}`);
  t.is((await run({ window: 32 })).tokens, 20 * 32);
});

test("what matters most is worth more than what matters least, on the trained model", async (t) => {
  const folder = withTempDir(t);
  const text = join(folder, "lookups.txt");
  writeFileSync(
    text,
    lookups(1, { count: 300 })
      .map(({ prompt, answer }) => `${prompt}${answer}`)
      .join("\n"),
  );
  const model = lookupPair.prefill.model;
  const importance = join(folder, "i.gguf");
  await measureImportance({ ...quiet, window: 128, model, text, out: importance });
  for (const share of [0.25, 0.5]) {
    const lossOf = async (select: "important" | "unimportant") => {
      const options = { ...exact, window: 128, model, text, importance, select, hidden: share, ffn: share } as const;
      const { loss } = await prune({ ...options, out: join(folder, `${select}.gguf`) });
      return loss?.after ?? Number.NaN;
    };
    const [best, worst] = [await lossOf("important"), await lossOf("unimportant")];
    t.true(best < worst, `${share}: ${best}, ${worst}`);
  }
});

test("another model's importance, a damaged file and a file of another kind are refused", async (t) => {
  const { model, text } = t.context;
  const folder = withTempDir(t);
  const good = join(folder, "good.gguf");
  await measureImportance({ ...small, model, text, maxSamples: 4, out: good });
  const { path: other } = await writeTinyModel(join(folder, "other.gguf"), { ...fullShape, seed: 2 });
  const out = join(folder, "out.gguf");
  const mismatch = await refusal(
    t,
    "ERR_IMPORTANCE_MISMATCH",
    pruneExactly({ model: other, importance: good, hidden: 0.5, out }),
  );
  t.true(PruneError.isInstance(mismatch));
  t.regex(mismatch.message, /good\.gguf/);
  await refusal(t, "ERR_IMPORTANCE_MISMATCH", measureImportance({ ...small, model: other, merge: good, out }));

  const bad = join(folder, "bad.gguf");
  copyFileSync(good, bad);
  truncateSync(bad, readFileSync(good).length - 100);
  await refusal(t, "ERR_IMPORTANCE_INVALID", pruneExactly({ model, importance: bad, hidden: 0.5, out }));
  await refusal(t, "ERR_IMPORTANCE_INVALID", readImportance(bad));
  await refusal(t, "ERR_IMPORTANCE_INVALID", pruneExactly({ model, importance: model, hidden: 0.5, out }));
  await refusal(t, "ERR_FILE_READ_FAILED", pruneExactly({ model, importance: join(folder, "none"), hidden: 0.5, out }));
  t.false(existsSync(out));

  t.is(await readImportance(model), undefined);
  t.is(await readImportance(text), undefined);
  t.is(await readImportance(join(folder, "none.gguf")), undefined);
});
