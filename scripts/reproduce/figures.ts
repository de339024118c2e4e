/** Figures from files of answers: shares of right answers with intervals, by family, by length, and by place in an answer. */

import { bootstrap, type Estimate } from "../../lib/eval/bootstrap.js";
import { tokenF1 } from "../../lib/eval/metrics/token-f1.js";
import type { Answer, TestSplit } from "./answers.js";
import { type Family, families } from "./tasks.js";

/** A figure over the questions, with its interval, and its least and largest value over the seeds. */
export interface Figure extends Estimate {
  readonly least: number;
  readonly largest: number;
}

/** What came of one contestant: its answers, a list for each seed. */
export type Runs = readonly (readonly Answer[])[];

export interface Scores {
  /** Of all questions of a split. */
  readonly exact: Readonly<Record<TestSplit, Figure>>;
  readonly f1: Readonly<Record<TestSplit, Figure>>;
  /** Of the held-out questions. */
  readonly families: Readonly<Record<Family, Figure>>;
  readonly lengths: readonly { readonly words: string; readonly questions: number; readonly exact: Figure }[];
  /** By place of a word in the right answer, from 0: the share of answers that have the right word there. */
  readonly places: readonly { readonly place: number; readonly answers: number; readonly right: number }[];
}

const isExact = ({ right, given }: Answer) => (right === given ? 1 : 0);
const f1Of = ({ right, given }: Answer) => tokenF1(given, [right]);
export const wordsOf = (answer: string) => answer.trim().split(/\s+/);

/** Answers of up to so many words; the last of them has no bound. */
const lengthBounds = [5, 8, 11, 15, Number.POSITIVE_INFINITY];
/** Fewer answers than this are no figure. */
const fewestAnswers = 20;

export async function scoresOf(runs: Runs, resamples: number): Promise<Scores> {
  const of = (holds: (answer: Answer) => boolean, score: (answer: Answer) => number) =>
    figureOf(
      runs.map((run) => run.filter(holds)),
      score,
      resamples,
    );
  const inSplit = (split: TestSplit) => (answer: Answer) => answer.split === split;
  const heldOut = runs.map((run) => run.filter(inSplit("heldOut")));
  const byFamily = families.map(
    async (family) =>
      [family, await of((answer) => answer.split === "heldOut" && answer.family === family, isExact)] as const,
  );
  return {
    exact: { seen: await of(inSplit("seen"), isExact), heldOut: await of(inSplit("heldOut"), isExact) },
    f1: { seen: await of(inSplit("seen"), f1Of), heldOut: await of(inSplit("heldOut"), f1Of) },
    families: Object.fromEntries(await Promise.all(byFamily)) as Record<Family, Figure>,
    lengths: await byLength(heldOut, resamples),
    places: byPlace(heldOut.flat()),
  };
}

/** Over the questions; a question counts the mean of the seeds, which all answered the same ones. */
export async function figureOf(runs: Runs, score: (answer: Answer) => number, resamples: number): Promise<Figure> {
  const count = runs[0]?.length ?? 0;
  if (count === 0 || runs.some((run) => run.length !== count)) throw new RangeError("runs over other questions");
  const scores = runs.map((run) => run.map(score));
  const values = Float64Array.from({ length: count }, (_, i) => meanOf(scores.map((own) => own[i] ?? Number.NaN)));
  const options = { confidence: 0.95, resamples, seed: 1 };
  const [estimate] = await bootstrap({ values, width: 1 }, [(sums) => (sums[0] ?? 0) / count], options);
  const means = scores.map(meanOf);
  return { ...(estimate ?? { value: meanOf(means) }), least: Math.min(...means), largest: Math.max(...means) };
}

async function byLength(runs: Runs, resamples: number): Promise<Scores["lengths"]> {
  const rows = lengthBounds.map(async (most, i) => {
    const least = (lengthBounds[i - 1] ?? 0) + 1;
    const some = runs.map((run) =>
      run.filter(({ right }) => {
        const length = wordsOf(right).length;
        return length >= least && length <= most;
      }),
    );
    const questions = some[0]?.length ?? 0;
    const words = most === Number.POSITIVE_INFINITY ? `${least} and more` : `${least} to ${most}`;
    return questions < fewestAnswers
      ? undefined
      : { words, questions, exact: await figureOf(some, isExact, resamples) };
  });
  return (await Promise.all(rows)).filter((row) => row !== undefined);
}

function byPlace(answers: readonly Answer[]): Scores["places"] {
  const counts: { answers: number; right: number }[] = [];
  for (const { right, given } of answers) {
    const words = wordsOf(given);
    for (const [place, word] of wordsOf(right).entries()) {
      const count = counts[place] ?? { answers: 0, right: 0 };
      counts[place] = count;
      count.answers++;
      if (words[place] === word) count.right++;
    }
  }
  return counts
    .map(({ answers, right }, place) => ({ place, answers, right: right / answers }))
    .filter(({ answers }) => answers >= fewestAnswers);
}

export const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
