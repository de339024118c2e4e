/** A model of English and writers of many kinds behind it, from nothing to the tables by which a user decides. */

import { join } from "node:path";
import { put } from "../jobs.js";
import { runToEnd } from "../run.js";
import { contestantsOf } from "./contestants.js";
import { fetchCorpus } from "./corpus.js";
import { languageModels } from "./models.js";
import { languagePlans } from "./plan.js";
import { languagePlot } from "./plot.js";
import { type LanguageOutcome, languageOutcome, toMarkdown, toText } from "./report.js";

/** Thousands of figures: none is worth more. */
const toSixDigits = (_key: string, value: unknown): unknown =>
  typeof value === "number" ? Number(value.toPrecision(6)) : value;

export async function reproduceLanguage(
  name: keyof typeof languagePlans,
  folder: string,
  atOnce: number,
): Promise<void> {
  const plan = languagePlans[name];
  const corpus = await fetchCorpus(join(folder, "texts"));
  const contestants = contestantsOf(plan, languageModels(plan, corpus, folder, atOnce), folder);
  const { full, groups } = contestants;
  // By writers, so that the first of them are known while others are still being trained.
  await runToEnd([full, ...groups.flatMap(({ samples }) => samples)], atOnce);
  // Speeds one at a time, when nothing else is at work.
  await runToEnd(
    groups.map(({ speed }) => speed),
    1,
  );

  const json = JSON.stringify(await languageOutcome(plan, contestants), toSixDigits);
  await put(join(folder, "language.json"), `${json}\n`);
  // Tables and picture of what is in the file, so that they can be made of it again.
  const outcome = JSON.parse(json) as LanguageOutcome;
  await put(join(folder, "language.md"), `${toMarkdown(outcome)}\n`);
  await put(join(folder, "language.svg"), languagePlot(outcome));
  console.log(toText(outcome));
  console.log(`\nwritten: language.json, language.md and language.svg in ${folder}`);
}
