/** Every number of the README comes of a file that a command of this repository wrote, or is checked elsewhere. */

import { readFileSync } from "node:fs";
import test from "ava";
import {
  type Figures,
  languageTable,
  qualityTable,
  sentences,
  speedTable,
} from "../../scripts/report/readme/figures.js";
import { readmePlot } from "../../scripts/report/readme/plot.js";
import type { LanguageOutcome } from "../../scripts/reproduce/language/report.js";
import type { Outcome } from "../../scripts/reproduce/report.js";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const readme = read("README.md");
const figures = JSON.parse(read("docs/reports/readme.json")) as Figures;
const outcome = JSON.parse(read("docs/reports/reproduction.json")) as Outcome;
const english = JSON.parse(read("docs/reports/language.json")) as LanguageOutcome;
const told = [qualityTable(outcome), speedTable(figures), languageTable(english), ...sentences(figures, outcome)];

/** The README without programs, comments, what was measured, and `known` phrases. */
function without(known: readonly string[]): string {
  let rest = readme.replace(/^```[\s\S]*?^```/gm, "").replace(/<!--[\s\S]*?-->/g, "");
  for (const text of told) rest = rest.replaceAll(text, "");
  for (const text of known) rest = rest.replace(new RegExp(text.replace(/[.+]/g, "\\$&"), "gi"), "");
  return rest;
}

test("the README tells what was measured, word for word", (t) => {
  for (const text of told) t.true(readme.includes(text), text);
});

test("the picture is drawn of the same figures", (t) => {
  t.is(read("docs/reports/readme.svg"), readmePlot(figures));
});

test("no other number is told, but for those that are checked elsewhere or are no measurement", (t) => {
  const known = [
    // Checked with the packed package: scripts/check/package/installed.mjs.
    "about 42 MB in three packages",
    "Node.js 20.17 or newer",
    "COLM 2025",
    "arXiv 2508.08446",
    "C++17 compiler",
    "Linux x64",
  ];
  const rest = without(known)
    .replace(/\]\([^)]*\)/g, "]")
    .replace(/`[^`\n]*`/g, "");
  t.deepEqual(rest.match(/[^\s]*\d[^\s]*/g) ?? [], []);
});

test("no other number is told in a word, but for what there are two of by the method", (t) => {
  const known = [
    "about 42 MB in three packages",
    "two stages",
    "two-stage",
    "two models",
    "two quantisations",
    "two GGUF",
    "two files",
  ];
  const number =
    /\b(two|three|four|five|six|seven|eight|nine|ten|twelve|dozen|twenty|hundred|thousand|twice|half|thirds?)\b.*/gi;
  t.deepEqual(without(known).match(number) ?? [], []);
});
