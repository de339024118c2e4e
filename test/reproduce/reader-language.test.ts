/** Trained readers of English with a model that learns nothing: every row of the table from the jobs of the run. */

import test from "ava";
import { isDone, type Job, runJobs } from "../../scripts/reproduce/jobs.js";
import type { Corpus } from "../../scripts/reproduce/language/corpus.js";
import { languageModels } from "../../scripts/reproduce/language/models.js";
import { type LanguagePlan, languagePlans } from "../../scripts/reproduce/language/plan.js";
import { readerLanguageContestants } from "../../scripts/reproduce/reader-language/contestants.js";
import { readLikelihoods } from "../../scripts/reproduce/reader-language/measure.js";
import { type ReaderLanguagePlan, readerLanguagePlans } from "../../scripts/reproduce/reader-language/plan.js";
import { readerLanguageOutcome, readerLanguageTables } from "../../scripts/reproduce/reader-language/report.js";
import { toMarkdown } from "../../scripts/reproduce/tables.js";
import { withTempDir } from "../support/temp-dir.js";
import { sentences } from "./sentences.js";

const models: LanguagePlan = {
  ...languagePlans.small,
  vocabulary: 300,
  short: { steps: 6, batch: 2, window: 32, learningRate: 1e-3 },
  long: { steps: 1, batch: 1, window: 64, learningRate: 1e-3 },
  types: ["q2_k"],
};
const plan: ReaderLanguagePlan = {
  ...readerLanguagePlans.small,
  writers: [
    { type: "q2_k", seeds: [1, 2], trained: ["adapter"] },
    { ratio: 0.45, seeds: [1], trained: ["adapter", "weights", "writer", "both"] },
  ],
};
const corpus: Corpus = { name: "sentences", training: sentences(1, 6), heldOut: sentences(2, 2) };

const contestantsIn = (folder: string, asked = plan) =>
  readerLanguageContestants(asked, corpus, languageModels(models, corpus, folder), folder);

test("every side of each pair is trained and measured, and a run that was stopped goes on", async (t) => {
  const folder = withTempDir(t);
  const stop = new AbortController();
  const begun: string[] = [];
  const events = {
    onBegin({ name }: Job) {
      begun.push(name);
      if (name.startsWith("weights")) stop.abort(new Error("stopped"));
    },
  };
  const run = runJobs(contestantsIn(folder).wanted, { atOnce: 2, signal: stop.signal, events });
  await t.throwsAsync(run, { message: "stopped" });
  begun.length = 0;
  const { wanted, full, rows } = contestantsIn(folder);
  await runJobs(wanted, { atOnce: 2, events: { onBegin: ({ name }) => begun.push(name) } });
  t.false(
    begun.some((name) => /learns|q2_k, adapter/.test(name)),
    "done before the stop",
  );
  t.true(wanted.every(isDone));

  const outcome = await readerLanguageOutcome(plan, { full, rows });
  t.deepEqual(
    outcome.rows.map(({ writer, way }) => `${writer}, ${way}`),
    [
      ...["alone", "untrained", "adapter"].map((way) => `q2_k, ${way}`),
      ...["alone", "untrained", "adapter", "weights", "writer", "both"].map((way) => `45.0% pruned, ${way}`),
    ],
  );
  t.is(outcome.full.divergence?.value, 0);
  for (const { way, writer, scores } of outcome.rows) {
    const { perplexity, perplexities, divergence, early, change } = scores;
    t.true((perplexity?.value ?? 0) > 1, way);
    t.is(perplexities.length, way === "adapter" && writer === "q2_k" ? 2 : 1);
    t.true([divergence, early, change].every((estimate) => Number.isFinite(estimate?.value)));
    if (way === "untrained") t.is(change?.value, 0);
  }
  t.is(new Set(outcome.rows.map(({ scores }) => scores.perplexity?.value)).size, outcome.rows.length);
  const markdown = toMarkdown(readerLanguageTables(outcome));
  t.regex(markdown, /\| q2_k \| two-stage, reader trained \(adapter\) \| 2 \| /);
  t.regex(markdown, /\| 45\.0% pruned \| two-stage, both trained \(reader: adapter\) \| 1 \| /);

  // Each part of each continuation, of both.
  for (const job of wanted)
    for (const { text, drawn } of readLikelihoods(job)) {
      t.deepEqual([text.length, drawn.length], [plan.bounds.length, plan.bounds.length]);
      t.true([...text, ...drawn].every((logProb) => logProb < 0));
    }
});

test("the first seed of each way comes before the second of any", (t) => {
  const { wanted } = contestantsIn("unused", {
    ...plan,
    writers: [{ ratio: 0.45, seeds: [1, 2], trained: ["adapter", "writer"] }],
  });
  t.deepEqual(
    wanted.map(({ name }) => name.replace("measured: 45.0% pruned, ", "")),
    [
      "measured: the full model",
      "alone",
      "untrained",
      ...["adapter, seed 1", "writer, seed 1", "adapter, seed 2", "writer, seed 2"],
    ],
  );
});

test("a writer that the models of English lack is refused", (t) => {
  const writers = [{ type: "q8_0", seeds: [1], trained: [] }] as const;
  t.throws(() => contestantsIn("unused", { ...plan, writers }), {
    message: "the models of English have no writer q8_0",
  });
});
