/** docs/reproduction.md and the demo pair's card tell what the recorded run came to, and the plan is still that run's. */

import { readFileSync } from "node:fs";
import test from "ava";
import { rowNames } from "../../scripts/reproduce/contestants.js";
import { languagePlans } from "../../scripts/reproduce/language/plan.js";
import { type LanguageOutcome, toMarkdown as languageToMarkdown } from "../../scripts/reproduce/language/report.js";
import { plans } from "../../scripts/reproduce/plan.js";
import { readerPlans } from "../../scripts/reproduce/reader/plan.js";
import { type ReaderOutcome, readerTables } from "../../scripts/reproduce/reader/reproduce.js";
import { readerLanguagePlans } from "../../scripts/reproduce/reader-language/plan.js";
import { type ReaderLanguageOutcome, readerLanguageTables } from "../../scripts/reproduce/reader-language/report.js";
import { type Outcome, type ScoredRow, toMarkdown } from "../../scripts/reproduce/report.js";
import { toMarkdown as tablesToMarkdown } from "../../scripts/reproduce/tables.js";
import { families } from "../../scripts/reproduce/tasks.js";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const outcome = JSON.parse(read("docs/reports/reproduction.json")) as Outcome;

test("the recorded run is one of the plan that `npm run reproduce` has", (t) => {
  t.deepEqual(outcome.plan, JSON.parse(JSON.stringify(plans.whole)));
});

test("the document has the recorded run's tables", (t) => {
  t.true(read("docs/reproduction.md").includes(toMarkdown(outcome)));
});

test("the document has the recorded table of trained readers, of the plan that there is", (t) => {
  const readers = JSON.parse(read("docs/reports/reader.json")) as ReaderOutcome;
  t.deepEqual(readers.plan, JSON.parse(JSON.stringify(readerPlans.whole)));
  t.true(read("docs/reproduction.md").includes(tablesToMarkdown(readerTables(readers))));
});

test("the document has the recorded table of trained readers of English, of the plan that there is", (t) => {
  const readers = JSON.parse(read("docs/reports/reader-language.json")) as ReaderLanguageOutcome;
  t.deepEqual(readers.plan, JSON.parse(JSON.stringify(readerLanguagePlans.whole)));
  t.true(read("docs/reproduction.md").includes(tablesToMarkdown(readerLanguageTables(readers))));
});

test("the document has the recorded tables of English, of the plan that there is", (t) => {
  const english = JSON.parse(read("docs/reports/language.json")) as LanguageOutcome;
  t.deepEqual(english.plan, JSON.parse(JSON.stringify(languagePlans.whole)));
  t.true(read("docs/reproduction.md").includes(languageToMarkdown(english)));
});

test("the demo pair's card has the recorded run's scores", (t) => {
  const card = read("models/README.md");
  const percent = (value: number, digits: number) => (100 * value).toFixed(digits);
  const cells = ({ scores }: ScoredRow) => [
    ...families.map((family) => percent(scores.families[family].value, 0)),
    percent(scores.exact.heldOut.value, 1),
    percent(scores.exact.seen.value, 1),
  ];
  for (const [who, name] of [
    ["prefill model alone", rowNames.full],
    ["prefill model, then decode model on its cache", rowNames.demo],
    ["decode model alone", rowNames.demoAlone],
  ]) {
    const row = outcome.rows.find((row) => row.name === name);
    if (t.truthy(row) && row) t.true(card.includes(`\n| ${[who, ...cells(row)].join(" | ")} |\n`), who);
  }
});
