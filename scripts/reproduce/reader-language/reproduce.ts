/**
 * Trained readers of English: the full model writes at few bits or pruned, and what comes of training the reader for it,
 * the writer on it, or both, with the same tokens. It works in the folder of `--language`, whose models it takes.
 */

import { join } from "node:path";
import { put } from "../jobs.js";
import { fetchCorpus } from "../language/corpus.js";
import { languageModels } from "../language/models.js";
import { languagePlans } from "../language/plan.js";
import { runToEnd } from "../run.js";
import { toMarkdown, toText } from "../tables.js";
import { readerLanguageContestants } from "./contestants.js";
import { readerLanguagePlans } from "./plan.js";
import { readerLanguageOutcome, readerLanguageTables } from "./report.js";

export async function reproduceReaderLanguage(
  name: keyof typeof readerLanguagePlans,
  folder: string,
  atOnce: number,
): Promise<void> {
  const plan = readerLanguagePlans[name];
  const corpus = await fetchCorpus(join(folder, "texts"));
  const models = languageModels(languagePlans[plan.models], corpus, folder, atOnce);
  const contestants = readerLanguageContestants(plan, corpus, models, folder);
  await runToEnd(contestants.wanted, atOnce);
  const outcome = await readerLanguageOutcome(plan, contestants);
  const tables = readerLanguageTables(outcome);
  await put(join(folder, "reader-language.json"), `${JSON.stringify(outcome, null, 2)}\n`);
  await put(join(folder, "reader-language.md"), `${toMarkdown(tables)}\n`);
  console.log(toText(tables));
  console.log(`\nwritten: reader-language.json and reader-language.md in ${folder}`);
}
