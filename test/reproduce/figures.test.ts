/** Figures from answers, by hand. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import type { Answer } from "../../scripts/reproduce/answers.js";
import { figureOf, scoresOf } from "../../scripts/reproduce/figures.js";
import type { Job } from "../../scripts/reproduce/jobs.js";
import { plans } from "../../scripts/reproduce/plan.js";
import { outcomePlot } from "../../scripts/reproduce/plot.js";
import { outcomeOf, toMarkdown, toText } from "../../scripts/reproduce/report.js";
import { families } from "../../scripts/reproduce/tasks.js";
import { withTempDir } from "../support/temp-dir.js";

const isExact = ({ right, given }: Answer) => (right === given ? 1 : 0);

/** For each family and split 30 answers of three words, of which so many are right; the last word of the others is wrong. */
function answers(right: number): Answer[] {
  return (["seen", "heldOut"] as const).flatMap((split) =>
    families.flatMap((family) =>
      Array.from({ length: 30 }, (_, i) => ({
        split,
        family,
        right: " a b c",
        given: i < right ? " a b c" : " a b d",
      })),
    ),
  );
}

test("a figure is the mean over the questions, its seeds lie around it, and its interval holds it", async (t) => {
  const figure = await figureOf([answers(30), answers(15), answers(0)], isExact, 200);
  t.true(Math.abs(figure.value - 0.5) < 1e-9);
  t.is(figure.least, 0);
  t.is(figure.largest, 1);
  t.true((figure.low ?? 1) < 0.5 && (figure.high ?? 0) > 0.5);
  await t.throwsAsync(figureOf([answers(1), answers(1).slice(1)], isExact, 200), { instanceOf: RangeError });
  await t.throwsAsync(figureOf([], isExact, 200), { instanceOf: RangeError });
});

test("scores by family, length and place add up", async (t) => {
  const scores = await scoresOf([answers(12)], 200);
  t.is(scores.exact.heldOut.value, 0.4);
  t.is(scores.families.sort.value, 0.4);
  // Right: 1. Wrong: two of three words in common, F1 2/3 ("a" is an article to SQuAD's normalisation: 1/2 then).
  t.true(Math.abs(scores.f1.seen.value - (0.4 + 0.6 * 0.5)) < 1e-9);
  t.deepEqual(
    scores.lengths.map(({ words, questions }) => [words, questions]),
    [["1 to 5", 240]],
  );
  t.deepEqual(
    scores.places.map(({ place, answers, right }) => [place, answers, right]),
    [
      [0, 240, 1],
      [1, 240, 1],
      [2, 240, 0.4],
    ],
  );
});

test("the outcome has a row for each contestant, and tells the relative improvement as the paper does", async (t) => {
  const folder = withTempDir(t);
  const job = (name: string, right: number): Job => {
    const out = join(folder, name);
    writeFileSync(
      out,
      answers(right)
        .map((answer) => `${JSON.stringify(answer)}\n`)
        .join(""),
    );
    return { name, out, needs: [], options: {}, run: async () => {} };
  };
  const [good, half, none] = [job("good", 30), job("half", 15), job("none", 0)];
  const plan = { ...plans.quick, resamples: 200 };
  const outcome = await outcomeOf(plan, {
    rows: [
      { name: "full model alone", answers: [good] },
      { name: "OverFill, two-stage", ratio: 0.45, answers: [good, half] },
      { name: "pruned + sft, alone", ratio: 0.45, answers: [half] },
    ],
    curve: [
      { kind: "overfill", ratio: 0.45, steps: 40, answers: [good, half] },
      { kind: "sft", ratio: 0.45, steps: 40, answers: [half] },
      { kind: "overfill", ratio: 0.45, steps: 10, answers: [half] },
      { kind: "sft", ratio: 0.45, steps: 10, answers: [none] },
    ],
  });
  t.deepEqual(outcome.improvements, [
    { ratio: 0.45, steps: 40, overfill: 0.75, sft: 0.5, relative: 0.5 },
    { ratio: 0.45, steps: 10, overfill: 0.5, sft: 0 },
  ]);
  const markdown = toMarkdown(outcome);
  t.regex(markdown, /OverFill, two-stage \(45\.0% pruned\) \| 75\.0 \[/);
  t.regex(markdown, /50\.0 to 100\.0/);
  t.regex(markdown, /no right answer to compare with/);
  t.regex(toText(outcome), /50\.0%/);
  t.true(outcomePlot(outcome).startsWith("<svg"));
});
