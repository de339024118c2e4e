/** The reproduction on English with a model that learns nothing: every table from files of the run, and the same after a stop. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { runJobs } from "../../scripts/reproduce/jobs.js";
import { contestantsOf } from "../../scripts/reproduce/language/contestants.js";
import { type Corpus, readCorpus } from "../../scripts/reproduce/language/corpus.js";
import { type Sample, waysOf } from "../../scripts/reproduce/language/measure.js";
import { languageModels } from "../../scripts/reproduce/language/models.js";
import { type LanguagePlan, languagePlans } from "../../scripts/reproduce/language/plan.js";
import { languagePlot } from "../../scripts/reproduce/language/plot.js";
import { languageOutcome, toMarkdown, toText } from "../../scripts/reproduce/language/report.js";
import { withTempDir } from "../support/temp-dir.js";
import { sentences } from "./sentences.js";

const plan: LanguagePlan = {
  ...languagePlans.small,
  vocabulary: 300,
  short: { steps: 6, batch: 2, window: 32, learningRate: 1e-3 },
  long: { steps: 1, batch: 1, window: 64, learningRate: 1e-3 },
  types: ["q2_k"],
  heal: { steps: 2, batch: 1, learningRate: 1e-3 },
};

const corpus: Corpus = { name: "sentences", training: sentences(1, 6), heldOut: sentences(2, 2) };

function jobsIn(folder: string) {
  const contestants = contestantsOf(plan, languageModels(plan, corpus, folder), folder);
  const { full, groups } = contestants;
  return { contestants, wanted: [full, ...groups.flatMap(({ samples, speed }) => [...samples, speed])] };
}

/** All of it but the times, which no two runs have in common. */
const withoutTimes = (outcome: unknown) =>
  JSON.parse(JSON.stringify(outcome), (key, value) => (/^(tokensPerSecond|times)$/.test(key) ? undefined : value));

test("a run that was stopped in trainings and between them ends in the same table", async (t) => {
  const [first, second] = [withTempDir(t), withTempDir(t)];
  const plain = jobsIn(first);
  await runJobs(plain.wanted, { atOnce: 2 });
  const expected = await languageOutcome(plan, plain.contestants);
  t.deepEqual(
    expected.groups.map(({ name }) => name),
    ["q2_k", "45% pruned", "45% pruned, sft", "45% pruned, OverFill"],
  );
  for (const { ways } of expected.groups) {
    t.deepEqual(
      ways.map(({ way }) => way),
      ["alone", "two-stage", "refresh 8", "checked", "exact"],
    );
    for (const { way, all, parts, prompts, tokensPerSecond } of ways) {
      t.true((all.sampledPerplexity?.value ?? 0) > 1, way);
      t.is(all.givenDivergence === undefined, way === "checked" || way === "exact");
      t.deepEqual([parts.length, prompts.length], [2, 2]);
      t.true((tokensPerSecond ?? 0) > 0);
    }
    t.is(ways.at(-1)?.all.greedyAgreement?.value, 1, "exact is the full model's own");
  }
  const markdown = toMarkdown(expected);
  t.regex(markdown, /\| 45% pruned, OverFill \|/);
  t.regex(toText(expected), /the full model's own/);
  t.true(languagePlot(expected).startsWith("<svg"));

  // Stopped there, then gone on with. So short a healing may be over before it tells of any progress.
  for (const [part, event] of [
    ["full model learns English", "onProgress"],
    ["overfill, 0.45", "onBegin"],
    ["measured: overfill", "onProgress"],
  ] as const) {
    const stop = new AbortController();
    const end = (job: { readonly name: string }) => job.name.includes(part) && stop.abort(new Error("stopped"));
    const run = runJobs(jobsIn(second).wanted, { atOnce: 2, signal: stop.signal, events: { [event]: end } });
    await t.throwsAsync(run, { message: "stopped" }, part);
  }
  const resumed = jobsIn(second);
  await runJobs(resumed.wanted, { atOnce: 1 });
  t.deepEqual(withoutTimes(await languageOutcome(plan, resumed.contestants)), withoutTimes(expected));
  for (const { out } of resumed.wanted) t.true(readdirSync(second).includes(out.slice(join(second, "/").length)));

  // What is told of a sample adds up.
  const samplesOf = (group: number): Sample[][] =>
    (plain.contestants.groups[group]?.samples ?? []).map(({ out }) => JSON.parse(readFileSync(out, "utf8")));
  const [samples = []] = samplesOf(0);
  t.is(samples.length, waysOf(plan).length * plan.promptLengths.length * plan.places);
  for (const { given, sampled, greedy } of samples) {
    t.deepEqual(sampled?.tokens, [8, 24]);
    t.deepEqual(given?.tokens ?? [8, 24], [8, 24]);
    t.is(greedy?.agree.length, 2);
    for (const [i, agree] of (greedy?.agree ?? []).entries()) t.true(agree <= (greedy?.tokens[i] ?? 0));
  }

  // A writer that was healed with two seeds writes once at each place, and reads every one with both.
  const seeds = samplesOf(2);
  t.is(seeds.length, 2);
  const placesOf = (run: readonly Sample[], has: (sample: Sample) => unknown) =>
    [...new Set(run.filter(has).map(({ place }) => place))].toSorted();
  t.deepEqual(
    seeds.map((run) => placesOf(run, ({ sampled, greedy }) => sampled && greedy)),
    [[0], [1]],
  );
  t.deepEqual(
    seeds.map((run) => placesOf(run, ({ given }) => given)),
    [
      [0, 1],
      [0, 1],
    ],
  );
});

test("addresses of years and chapters of numbers that end in 5 are held out, and marks are written in one way", (t) => {
  const [addresses, chapters] = [withTempDir(t), withTempDir(t)];
  const write = (folder: string, file: string, record: object) => {
    mkdirSync(join(folder, "data"), { recursive: true });
    writeFileSync(join(folder, "data", file), JSON.stringify(record));
  };
  for (const year of [2004, 2005, 2015])
    write(addresses, `${year}_bush_r.json`, { name: "Bush", text: `“It’s ${year}”` });
  write(addresses, "index.json", { text: "no address" });
  for (const number of [4, 15, 50])
    write(chapters, `chapter_${number}.json`, { title: `${number}`, text: "A  whale—\n one" });
  write(chapters, "epilogue.json", { title: "Epilogue", text: "and I" });
  const { training, heldOut } = readCorpus(addresses, chapters);
  t.deepEqual(
    heldOut.map(({ title }) => title),
    ["Bush, 2005", "Bush, 2015", "Moby-Dick, 15"],
  );
  t.deepEqual(training, [
    { number: "2004", title: "Bush, 2004", text: '"It\'s 2004"' },
    { number: "", title: "Moby-Dick, Epilogue", text: "and I" },
    { number: "4", title: "Moby-Dick, 4", text: "A whale--\none" },
    { number: "50", title: "Moby-Dick, 50", text: "A whale--\none" },
  ] as object[] as typeof training);
});
