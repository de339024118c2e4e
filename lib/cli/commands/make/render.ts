/** A pair while it is made and what came of it, as text. */

import type { ChosenModel, MadePair, MakeProgress, PairPlan } from "../../../make/index.js";
import { formatBytes, formatCount, formatSpeed, formatTime } from "../../number-format.js";
import { ownCommand, quoted } from "../../shell-words.js";
import { renderTable } from "../../tables.js";

/** What stands behind the bar: what matters least last, where a narrow terminal cuts it. */
export function detailOfMaking({ loss, detail, remainingMs }: MakeProgress): string {
  const left = remainingMs === undefined ? "" : `about ${formatTime(remainingMs)} left`;
  return [loss === undefined ? "" : `loss ${loss.toFixed(3)}`, left, detail].filter(Boolean).join(", ");
}

/** Such as `healing (6/9)`. */
export const stageOfMaking = ({ step, index, steps }: MakeProgress): string => `${step} (${index}/${steps})`;

function describeModel({ hiddenSize, feedForwardSize, layers, type, parameters, sizeBytes }: ChosenModel) {
  return [
    ["width", formatCount(hiddenSize)],
    ["feed-forward width", formatCount(feedForwardSize)],
    ["layers", formatCount(layers)],
    ["type", type],
    ["parameters", formatCount(Math.round(parameters))],
    ["weights", formatBytes(Math.round(sizeBytes))],
  ];
}

export function renderPlan({ machine, prompts, heldOut, model, speedUp, steps, ms, workBytes }: PairPlan): string {
  const wanted = speedUp === undefined ? "" : `, to write ${speedUp} times as fast`;
  return [
    `The full model reads ${formatSpeed(machine.prefillTokensPerSecond)} and writes ${formatSpeed(machine.decodeTokensPerSecond)} here.`,
    `${formatCount(prompts)} prompts to learn from, ${formatCount(heldOut)} held out.`,
    `The small model, about${wanted}:`,
    renderTable(["", "small model"], describeModel(model), [1]),
    renderTable(
      ["step", "about"],
      steps.map((step) => [step.step, formatTime(step.ms)]),
      [1],
    ),
    `In all about ${formatTime(ms)}, with ${formatBytes(workBytes)} of files meanwhile. Nothing was made.`,
  ].join("\n\n");
}

/** @param out as it was asked for */
export function renderMade(pair: MadePair, out: string): string {
  const { model, tried, healed, evaluation, speedUp, badLines, ms } = pair;
  const agreement = (report: MadePair["evaluation"]) => {
    const found = report.rows.find(({ row }) => row === "two-stage")?.figures.agreementAfterFirst;
    return found ? `${(100 * found.value).toFixed(1)}%` : "-";
  };
  const rows = [
    ...describeModel(model),
    ["importance kept", `${(100 * model.importanceKept).toFixed(1)}%`],
    ...(healed ? [["agrees with the full model, healed", agreement(healed)]] : []),
    ["agrees with the full model, quantised", agreement(evaluation)],
    ["writes, times the full model", speedUp.toFixed(2)],
  ];
  const parts = [renderTable(["", "small model"], rows, [1])];
  if (tried.length > 1)
    parts.push(`${tried.length} models were timed: ${tried.map((one) => one.speedUp.toFixed(2)).join(", ")} times.`);
  if (badLines.length > 0)
    parts.push(`${formatCount(badLines.length)} bad ${badLines.length === 1 ? "line was" : "lines were"} skipped.`);
  parts.push(`${out}: card.md tells how it was made. This run took ${formatTime(ms)}.`);
  parts.push(`Next: ${ownCommand()} run ${quoted(out)} -p "..."`);
  return parts.join("\n\n");
}

/** Where an interrupted run stopped, and how to go on. */
export const describeUnmade = (stage: string): string =>
  `Stopped in the step ${stage}. The same command goes on from there.`;
