/** The metrics of each task by name, in the order in which they are shown. */

import { bleu } from "./bleu.js";
import { type ChoiceOutcome, isRight, isRightByLength } from "./choice-accuracy.js";
import { exactMatch, strictMatch } from "./exact-match.js";
import { agreement, divergence, perplexity, type ResponseOutcome } from "./likelihood.js";
import { type Metric, type MetricName, meanOf } from "./metric.js";
import { rougeL } from "./rouge-l.js";
import { tokenF1 } from "./token-f1.js";

/** A generated answer. */
export interface AnswerOutcome {
  readonly text: string;
  readonly references: readonly string[];
  /** Whether its tokens are those of the full model's answer. */
  readonly sameAsFull: boolean;
}

type Metrics<Outcome> = Readonly<Partial<Record<MetricName, Metric<Outcome>>>>;

export const responseMetrics: Metrics<ResponseOutcome> = {
  perplexity: perplexity(),
  perplexityAfterFirst: perplexity(1),
  agreement: agreement(),
  agreementAfterFirst: agreement(1),
  divergence: divergence(),
  divergenceAfterFirst: divergence(1),
};

export const choiceMetrics: Metrics<ChoiceOutcome> = {
  accuracy: meanOf(isRight),
  accuracyNorm: meanOf(isRightByLength),
};

export const answerMetrics: Metrics<AnswerOutcome> = {
  exactMatch: meanOf(({ text, references }) => exactMatch(text, references)),
  strictMatch: meanOf(({ text, references }) => strictMatch(text, references)),
  f1: meanOf(({ text, references }) => tokenF1(text, references)),
  rougeL: meanOf(({ text, references }) => rougeL(text, references)),
  bleu,
  sameAsFull: meanOf(({ sameAsFull }) => (sameAsFull ? 1 : 0)),
};

const namesOf = (metrics: object) => Object.keys(metrics) as MetricName[];

/** The metrics that each task has. */
export const metricNames = {
  responses: namesOf(responseMetrics),
  choices: namesOf(choiceMetrics),
  generate: namesOf(answerMetrics),
} as const;

/** The named ones of a task's metrics. */
export function chooseMetrics<Outcome>(
  metrics: Readonly<Partial<Record<MetricName, Metric<Outcome>>>>,
  names: readonly MetricName[],
): (readonly [name: MetricName, metric: Metric<Outcome>])[] {
  return names.flatMap((name) => {
    const metric = metrics[name];
    return metric ? [[name, metric] as const] : [];
  });
}
