/** The outcome: figures of every writer in every way, as JSON, as Markdown tables and as text for the terminal. */

import type { BenchWay } from "../../../lib/index.js";
import { type Table, toMarkdown as tablesToMarkdown, toText as tablesToText } from "../tables.js";
import { bytesOf, type LanguageContestants, readSpeed } from "./contestants.js";
import { type Figure, figureOf, type MeasureName, measureNames, type Scope } from "./figures.js";
import { readSamples, type Sample, type Way, waysOf } from "./measure.js";
import type { LanguagePlan } from "./plan.js";

type Figures = Readonly<Partial<Record<MeasureName, Figure>>>;

export interface WayOutcome {
  readonly way: Way | "full";
  readonly all: Figures;
  /** By the plan's `bounds`. */
  readonly parts: readonly Figures[];
  /** By the plan's `promptLengths`. */
  readonly prompts: readonly Figures[];
  /** Of the drafts: the share that was kept. */
  readonly kept?: number;
  /** Absent for the full model, with which the others are compared. */
  readonly tokensPerSecond?: number;
  /** In times of the full model's own. */
  readonly times?: number;
}

export interface GroupOutcome {
  readonly name: string;
  readonly sizeBytes: number;
  readonly ways: readonly WayOutcome[];
}

export interface LanguageOutcome {
  readonly plan: LanguagePlan;
  readonly full: WayOutcome & { readonly sizeBytes: number };
  readonly groups: readonly GroupOutcome[];
}

export async function languageOutcome(
  plan: LanguagePlan,
  { full, groups }: LanguageContestants,
): Promise<LanguageOutcome> {
  const outcomes: GroupOutcome[] = [];
  for (const { name, samples, speed, model } of groups) {
    const runs = samples.map(readSamples);
    const { rows } = readSpeed(speed);
    const ways: WayOutcome[] = [];
    for (const way of waysOf(plan)) {
      const timed = rows.find((row) => sameWay(row.way, way, plan))?.speed;
      const timing = timed && { tokensPerSecond: timed.decodeTokensPerSecond, times: timed.writesTimes };
      ways.push({ ...(await wayOutcome(plan, runs, way)), ...timing });
    }
    outcomes.push({ name, sizeBytes: bytesOf(model), ways });
  }
  const sizeBytes = bytesOf(full.needs[0] as typeof full);
  return { plan, full: { ...(await wayOutcome(plan, [readSamples(full)], "full")), sizeBytes }, groups: outcomes };
}

function sameWay(way: BenchWay, own: Way, { acceptance }: LanguagePlan): boolean {
  if (own === "alone") return way === "decode";
  if (own === "two-stage") return way === "fast";
  if (own === "exact") return way === own;
  if (typeof way !== "object") return false;
  return "acceptance" in way
    ? own === "checked" && way.acceptance === acceptance
    : own === `refresh ${way.refreshInterval}`;
}

async function wayOutcome(
  plan: LanguagePlan,
  runs: readonly (readonly Sample[])[],
  way: Way | "full",
): Promise<WayOutcome> {
  const figures = async (scope: Scope): Promise<Figures> => {
    const all: Partial<Record<MeasureName, Figure>> = {};
    for (const name of measureNames) {
      const figure = await figureOf(runs, way, name, plan, scope);
      if (figure) all[name] = figure;
    }
    return all;
  };
  const drafts = runs.flat().flatMap((sample) => (sample.way === way ? (sample.drafts ?? []) : []));
  const sum = (of: "drafted" | "kept") => drafts.reduce((total, each) => total + each[of], 0);
  const parts: Figures[] = [];
  for (const part of plan.bounds.keys()) parts.push(await figures({ part }));
  const prompts: Figures[] = [];
  for (const prompt of plan.promptLengths) prompts.push(await figures({ prompt }));
  return {
    way,
    all: await figures({}),
    parts,
    prompts,
    ...(sum("drafted") > 0 && { kept: sum("kept") / sum("drafted") }),
  };
}

const percent = (value: number) => (100 * value).toFixed(1);
const formats: Readonly<Record<MeasureName, (value: number) => string>> = {
  sampledPerplexity: (value) => value.toPrecision(4),
  greedyAgreement: percent,
  givenPerplexity: (value) => value.toPrecision(4),
  givenAgreement: percent,
  givenDivergence: (value) => value.toFixed(4),
};

function cell(figure: Figure | undefined, name: MeasureName, withInterval = true): string {
  if (!figure) return "";
  const format = formats[name];
  const { value, low, high } = figure;
  const interval = withInterval && low !== undefined && high !== undefined;
  return interval ? `${format(value)} [${format(low)}, ${format(high)}]` : format(value);
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);

const titles: Readonly<Record<MeasureName, string>> = {
  sampledPerplexity: "Perplexity under the full model of what is written, drawn at the package's usual settings",
  greedyAgreement: "Tokens of the likeliest continuation that the full model would have written there, too, in percent",
  givenPerplexity: "Perplexity of the texts' own continuations",
  givenAgreement: "Tokens of the texts' own continuations at which the likeliest is the full model's, in percent",
  givenDivergence: "KL from the full model over the texts' own continuations, in nats a token",
};

export function tablesOf({ plan, full, groups }: LanguageOutcome): Table[] {
  const ways = waysOf(plan);
  const ofWay = ({ ways: all }: GroupOutcome, way: Way) => all.find((each) => each.way === way);
  const ofFull = (name: MeasureName) =>
    name === "greedyAgreement" || name === "givenAgreement" || name === "givenDivergence"
      ? ""
      : `; the full model's own: ${cell(full.all[name], name)}`;
  const main = measureNames.map((name): Table => {
    const shown = ways.filter((way) => groups.some((group) => ofWay(group, way)?.all[name]));
    return {
      title: `${titles[name]} [95% interval over the places]${ofFull(name)}`,
      head: ["writer", ...shown],
      rows: groups.map((group) => [group.name, ...shown.map((way) => cell(ofWay(group, way)?.all[name], name))]),
    };
  });
  const speed: Table = {
    title: `Writing in tokens a second, and in times of the full model (${megabytes(full.sizeBytes)} MB); drafts that were kept when exact`,
    head: ["writer", "MB", ...ways, "kept"],
    rows: groups.map((group) => [
      group.name,
      megabytes(group.sizeBytes),
      ...ways.map((way) => {
        const { tokensPerSecond, times } = ofWay(group, way) ?? {};
        return tokensPerSecond === undefined ? "" : `${tokensPerSecond.toFixed(0)} (${times?.toFixed(2)})`;
      }),
      `${percent(ofWay(group, "exact")?.kept ?? 0)}%`,
    ]),
  };
  const bounds = plan.bounds.map((to, i) => `${(plan.bounds[i - 1] ?? 0) + 1}-${to}`);
  const pairs: readonly Way[] = ["two-stage", "alone"];
  const byPart = (["givenDivergence", "sampledPerplexity"] as const).map(
    (name): Table => ({
      title: `${titles[name]}, by place in the continuation: two-stage / alone`,
      head: ["writer", ...bounds],
      rows: groups.map((group) => [
        group.name,
        ...bounds.map((_, part) =>
          pairs.map((way) => cell(ofWay(group, way)?.parts[part]?.[name], name, false)).join(" / "),
        ),
      ]),
    }),
  );
  const byPrompt: Table = {
    title: `${titles.givenDivergence}, by length of the prompt: two-stage / alone`,
    head: ["writer", ...plan.promptLengths.map((length) => `${length} tokens`)],
    rows: groups.map((group) => [
      group.name,
      ...plan.promptLengths.map((_, i) =>
        pairs.map((way) => cell(ofWay(group, way)?.prompts[i]?.givenDivergence, "givenDivergence", false)).join(" / "),
      ),
    ]),
  };
  const seeds: Table = {
    title: "The texts' own continuations over the seeds, least to largest: perplexity, KL from the full model",
    head: ["writer", "two-stage", "alone"],
    rows: groups
      .filter(({ name }) => /sft|OverFill/.test(name))
      .map((group) => [
        group.name,
        ...pairs.map((way) =>
          (["givenPerplexity", "givenDivergence"] as const)
            .map((name) => {
              const figure = ofWay(group, way)?.all[name];
              return figure ? `${formats[name](figure.least)} to ${formats[name](figure.largest)}` : "";
            })
            .join(", "),
        ),
      ]),
  };
  return [...main, ...byPart, byPrompt, seeds, speed];
}

export const toMarkdown = (outcome: LanguageOutcome): string => tablesToMarkdown(tablesOf(outcome));
export const toText = (outcome: LanguageOutcome): string => tablesToText(tablesOf(outcome));
