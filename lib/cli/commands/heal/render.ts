/** A training while it goes on and what came of it, as text. */

import { dirname, resolve } from "node:path";
import type { Evaluation, HealEstimate, HealOptions, HealProgress, HealResult } from "../../../train/index.js";
import { formatBytes, formatCount, formatDuration, formatMs, formatSpeed } from "../../number-format.js";
import { quoted } from "../../shell-words.js";
import { renderTable } from "../../tables.js";

/** How long the rest of a training takes, by the pace since it began or went on. */
export class RemainingTime {
  readonly #now: () => number;
  #begin: { readonly step: number; readonly at: number } | undefined;

  /** @param now milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Milliseconds; undefined before a step is done. */
  estimate(step: number, steps: number): number | undefined {
    const at = this.#now();
    this.#begin ??= { step, at };
    const done = step - this.#begin.step;
    return done > 0 ? ((at - this.#begin.at) / done) * Math.max(0, steps - step) : undefined;
  }
}

/** What stands behind the bar: what matters least last, where a narrow terminal cuts it. */
export function detailOf({ stage, step, steps, loss, tokensPerSecond }: HealProgress, remainingMs?: number): string {
  if (stage !== "training") return "";
  const place = `step ${formatCount(step)}/${formatCount(steps)}`;
  if (step === 0) return place;
  const left = remainingMs === undefined ? "" : `${formatDuration(remainingMs)} left`;
  return [`loss ${loss.toFixed(3)}`, formatSpeed(tokensPerSecond), left, place].filter(Boolean).join(", ");
}

/** What a training would take. */
export function renderEstimate({ trainedParameters, steps, memory, tokensPerSecond, msPerStep }: HealEstimate): string {
  const { weightBytes, optimiserBytes, activationBytes, fullBytes, totalBytes } = memory;
  const rows = [
    ["values trained", formatCount(trainedParameters)],
    ["memory", formatBytes(totalBytes)],
    ["  weights", formatBytes(weightBytes)],
    ["  gradients and moments", formatBytes(optimiserBytes)],
    ["  activations of a step", formatBytes(activationBytes)],
  ];
  if (fullBytes > 0) rows.push(["  the full model beside them", formatBytes(fullBytes)]);
  rows.push(
    ["a measured step", `${formatMs(msPerStep)}, ${formatSpeed(tokensPerSecond)}`],
    ["steps", formatCount(steps)],
    ["all of them, without evaluations", formatDuration(steps * msPerStep)],
  );
  return renderTable(["", "a training would take"], rows);
}

/** One line: `step 50: loss 2.1234 on held-out.jsonl`. */
export function describeEvaluation({ step, loss }: Evaluation, file: string): string {
  return `step ${formatCount(step)}: loss ${loss.toFixed(4)} on ${file}`;
}

/** @param options what was asked for */
export function renderHealed(result: HealResult, options: HealOptions): string {
  const { badLines, path, sizeBytes, reader, translator, ms } = result;
  const parts = [renderTraining(result)];
  if (result.evaluations.length > 0) parts.push(renderEvaluations(result.evaluations, String(options.evalData)));
  if (badLines.length > 0)
    parts.push(`${formatCount(badLines.length)} bad ${badLines.length === 1 ? "line was" : "lines were"} skipped.`);
  const time = ms < 60_000 ? formatMs(ms) : formatDuration(ms);
  const files = [`${path}: ${formatBytes(sizeBytes)}, in ${time}`];
  if (reader) files.push(`${reader.path}: ${formatBytes(reader.sizeBytes)}, the reader of the two`);
  if (translator) files.push(`${translator.path}: ${formatBytes(translator.sizeBytes)}, the translator for it`);
  parts.push(files.join("\n"), nextStep(result, options));
  return parts.join("\n\n");
}

function renderTraining(result: HealResult): string {
  const { steps, firstStep, reason, examples, tokens, trainedParameters, losses, tokensPerSecond } = result;
  const resumed = firstStep === undefined ? "" : `, from step ${formatCount(firstStep)} on`;
  const early = reason === "patience" ? ", ended early: the evaluations no longer got better" : "";
  const rows = [
    ["steps", `${formatCount(steps)}${resumed}${early}`],
    ["examples", formatCount(examples)],
    ["tokens learned", formatCount(tokens)],
    ["values trained", formatCount(trainedParameters)],
  ];
  const [first, last] = [losses.at(0), losses.at(-1)];
  if (first !== undefined && last !== undefined)
    rows.push(["loss of the first and the last step", `${first.toFixed(4)}, ${last.toFixed(4)}`]);
  if (tokensPerSecond > 0) rows.push(["speed", formatSpeed(tokensPerSecond)]);
  return renderTable(["", "training"], rows);
}

/** The first, the last, and the best if it is neither. */
function renderEvaluations(evaluations: readonly Evaluation[], file: string): string {
  const best = evaluations.reduce((a, b) => (b.loss < a.loss ? b : a));
  const row = (what: string, { step, loss }: Evaluation) => [
    `${what}, step ${formatCount(step)}`,
    loss.toFixed(4),
    Math.exp(loss).toPrecision(5),
  ];
  const [first, last] = [evaluations.at(0) ?? best, evaluations.at(-1) ?? best];
  const rows = [row("at the beginning", first)];
  if (best !== first && best !== last) rows.push(row("at its best", best));
  if (last !== first) rows.push(row("at the end", last));
  return renderTable([`loss on ${file}`, "nats a token", "perplexity"], rows, [1, 2]);
}

const modelFileOf = (model: HealOptions["full"]) =>
  model instanceof URL || typeof model === "string" ? String(model) : model && String(model.model);

function nextStep(result: HealResult, options: HealOptions): string {
  const { path, translator } = result;
  const { mode = "overfill", train = "writer" } = options;
  const full = modelFileOf(options.full);
  if (mode !== "overfill" || full === undefined) return `Next: overfill run --prefill ${quoted(path)} -p TEXT`;
  const writer = train === "reader" ? (modelFileOf(options.student) ?? "") : path;
  const reader = train === "reader" ? path : result.reader?.path;
  const models = `${readerFlags(full, reader, options)} --decode ${quoted(writer)}`;
  return `Next: overfill run ${models}${translatorFlag(writer, translator)} -p TEXT`;
}

/** The reader as it is now: itself, the file that it was trained to, or its adapter beside it. */
function readerFlags(full: string, trained: string | undefined, { readerLora }: HealOptions): string {
  if (trained === undefined) return `--prefill ${quoted(full)}`;
  if (readerLora === false) return `--prefill ${quoted(trained)}`;
  return `--prefill ${quoted(full)} --prefill-adapter ${quoted(trained)}`;
}

/** Beside the model, its metadata names the translator. */
function translatorFlag(model: string, translator: HealResult["translator"]): string {
  if (!translator || dirname(resolve(translator.path)) === dirname(resolve(model))) return "";
  return ` --translator ${quoted(translator.path)}`;
}
