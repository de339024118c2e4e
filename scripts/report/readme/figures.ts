/**
 * The figures that the README tells: what was measured, and the tables and sentences that are made of it. The README holds
 * them word for word, which test/docs/readme-figures.test.ts compares.
 */

import type { BenchReport, BenchRow, BenchSpeed, BenchWay } from "../../../lib/index.js";
import { rowNames } from "../../reproduce/contestants.js";
import type { Way } from "../../reproduce/language/measure.js";
import type { LanguageOutcome } from "../../reproduce/language/report.js";
import type { Outcome, ScoredRow } from "../../reproduce/report.js";
import { families } from "../../reproduce/tasks.js";

/** What is measured, each by one benchmark. */
export const measurements = ["stories", "quantisedStories", "pruned"] as const;
export type Measurement = (typeof measurements)[number];

/** A benchmark without what is this machine's alone. */
export type Measured = Pick<BenchReport, "prompts" | "promptTokens" | "maxTokens" | "rounds" | "rows" | "threads">;

export interface Figures {
  readonly machine: { readonly processor: string; readonly node: string };
  /** The demo pair of the reproduction, on held-out questions. */
  readonly stories: Measured;
  /** Its full model, read at f16 and written at q4_0. */
  readonly quantisedStories: Measured;
  /** The paper's 3B -> 1B in shape, random weights in q8_0. */
  readonly pruned: Measured;
}

export function rowOf({ rows }: Measured, way: BenchWay): BenchRow {
  const row = rows.find((row) => JSON.stringify(row.way) === JSON.stringify(way));
  if (!row) throw new Error(`the benchmark has no row for ${JSON.stringify(way)}`);
  return row;
}

export const checked = { acceptance: 0.3 } as const;
const times = (value: number) => value.toFixed(value < 10 ? 2 : 0);
const numberWords = ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
const words = (count: number) => numberWords[count] ?? String(count);
/** `93.1%`; 100% is all of them. */
export const formatShare = (share: number) => (share === 1 ? "100%" : `${(100 * share).toFixed(1)}%`);
const gigabytes = (row: BenchRow) => `${(row.memory.weightBytes / 1e9).toFixed(1)} GB`;
const speed = (row: BenchRow) => row.speed.decodeTokensPerSecond.toFixed(1);

/** Speeds of models in the paper's size, whose weights are random. */
export function speedTable({ pruned }: Figures): string {
  const rows = [
    [`the full model alone, ${gigabytes(rowOf(pruned, "prefill"))} in q8_0`, rowOf(pruned, "prefill")],
    [`the pruned model alone, ${gigabytes(rowOf(pruned, "decode"))} in q8_0`, rowOf(pruned, "decode")],
    ["two stages, `fast`", rowOf(pruned, "fast")],
    ["two stages, checked (`acceptance: 0.3`), no draft kept", rowOf(pruned, checked)],
    ["two stages, `exact`, no draft kept", rowOf(pruned, "exact")],
  ] as const;
  return [
    "| who writes | tokens/s | times the full model |",
    "| --- | --- | --- |",
    ...rows.map(([who, row]) => `| ${who} | ${speed(row)} | ${times(row.speed.writesTimes)} |`),
  ].join("\n");
}

const scoresOf = (outcome: Outcome, name: string, ratio?: number): ScoredRow => {
  const row = outcome.rows.find((row) => row.name === name && row.ratio === ratio);
  if (!row) throw new Error(`the reproduction has no row ${name}`);
  return row;
};

/** Right answers of models that were trained, in percent. */
export function qualityTable(outcome: Outcome): string {
  const rows = [
    ["the full model alone", scoresOf(outcome, rowNames.full)],
    ["the small model alone, healed alone", scoresOf(outcome, rowNames.sft, 0.45)],
    ["two stages, healed on the full model's cache", scoresOf(outcome, rowNames.overfill, 0.45)],
  ] as const;
  return [
    "| who answers | right answers |",
    "| --- | --- |",
    ...rows.map(([who, { scores }]) => `| ${who} | ${formatShare(scores.exact.heldOut.value)} |`),
  ].join("\n");
}

/** Nearness to the model of English, of all writers but those that were pruned and not healed. */
export function languageTable({ groups, plan }: LanguageOutcome): string {
  const [often] = plan.refreshIntervals;
  const ways: readonly Way[] = ["alone", "two-stage", `refresh ${often ?? 0}`];
  const nameOf = (name: string) =>
    name
      .replace(/^\w+$/, "the full model in $&")
      .replace(", sft", ", healed alone")
      .replace(", OverFill", ", healed on the full model's cache");
  const rows = groups
    .filter(({ name }) => !name.endsWith("pruned"))
    .map(({ name, sizeBytes, ways: own }) => {
      const cells = ways.map((way) => {
        const divergence = own.find((each) => each.way === way)?.all.givenDivergence;
        if (!divergence) throw new Error(`the reproduction on English has no divergence of ${name}, ${way}`);
        return divergence.value.toFixed(4);
      });
      return `| ${[nameOf(name), (sizeBytes / 1e6).toFixed(1), ...cells].join(" | ")} |`;
    });
  return [
    `| who writes | MB | alone | in two stages | and a refresh every ${often} tokens |`,
    "| --- | --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}

/** What the README says about when it does not pay, with its figures. */
export function sentences(figures: Figures, outcome: Outcome): readonly string[] {
  const { pruned, quantisedStories } = figures;
  const [full, small, pair] = (["prefill", "decode", "fast"] as const).map((way) => rowOf(pruned, way).speed) as [
    BenchSpeed,
    BenchSpeed,
    BenchSpeed,
  ];
  const seconds = ({ firstTokenMs }: BenchSpeed) => `${(firstTokenMs / 1000).toFixed(1)} s`;
  const at = (kind: "overfill" | "sft", steps: number) => {
    const point = outcome.curve.find((point) => point.kind === kind && point.ratio === 0.45 && point.steps === steps);
    if (!point) throw new Error(`the reproduction has no ${kind} after ${steps} steps`);
    return formatShare(point.exact.value);
  };
  const [together, alone] = [rowNames.overfill, rowNames.sft].map(
    (name) => scoresOf(outcome, name, 0.45).scores.families,
  );
  if (!together || !alone) throw new Error("the reproduction has no scores by family");
  const nothingWon = families.filter((family) => together[family].value <= alone[family].value);
  const wonNothing = nothingWon.map(
    (family) => `${formatShare(together[family].value)} against ${formatShare(alone[family].value)}`,
  );
  return [
    `with random weights and on ${words(pruned.threads)} cores`,
    `behind a prompt of ${pruned.promptTokens / pruned.prompts} tokens the first token takes ${seconds(pair)}, where the full model alone takes ${seconds(full)} and the small one ${seconds(small)}; an answer of ${pair.answerTokens} tokens, reading included, comes ${times(pair.answersTimes)} times as fast`,
    `${at("overfill", 25)} against ${at("sft", 25)} right answers after 25 steps of healing, ${at("overfill", 150)} against ${at("sft", 150)} after 150`,
    `In ${words(nothingWon.length)} of ${words(families.length)} families of tasks there was nothing left to win: ${wonNothing.join(", ")}`,
    `at q4_0 it agrees with itself in ${formatShare(rowOf(quantisedStories, "decode").written.agreement)} of tokens when it is alone, and in ${formatShare(rowOf(quantisedStories, "fast").written.agreement)} behind its own f16`,
  ];
}
