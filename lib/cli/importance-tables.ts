/** What is known from an importance file, as tables. */

import type { Importance } from "../prune/index.js";
import { formatCount } from "./number-format.js";
import { prose, renderTable } from "./tables.js";

export function renderImportance(importance: Importance): string {
  const { path, model, text, window, samples, tokens, loss } = importance;
  const facts = [
    ["file", path],
    ["model", model.name === "" ? model.fingerprint : `${model.name} (${model.fingerprint})`],
    ["architecture", model.architecture],
    ["text", text],
    ["samples", `${formatCount(samples)} of at most ${formatCount(window)} tokens`],
    ["tokens", formatCount(tokens)],
    ["loss of the model", `${loss.toFixed(4)} nats a token, perplexity ${Math.exp(loss).toPrecision(5)}`],
    ["weakest half of the hidden channels", `${formatShare(weakestHalf(importance.hidden.signed))} of the score`],
  ];
  return `${renderTable(["", "importance"], facts)}\n\n${renderLayers(importance)}`;
}

function renderLayers({ blockInfluence, feedForward, heads }: Importance): string {
  const rows = blockInfluence.map((influence, layer) => [
    String(layer),
    influence.toFixed(4),
    formatShare(weakestHalf(feedForward.signed[layer] ?? [])),
    formatShare(weakestHalf(heads[layer] ?? [])),
  ]);
  const legend = [
    "Block influence: how much a layer changes what passes through it, from 0 (nothing) to 2.",
    "Weakest half: the share of the score that the lower half of the channels or heads has. The smaller it is, the less pruning them costs.",
  ];
  const head = ["layer", "block influence", "weakest half of the FFN", "weakest half of the heads"];
  return [renderTable(head, rows, [0, 1, 2, 3]), ...legend.map((line) => prose(line))].join("\n");
}

const formatShare = (share: number): string => `${(100 * share).toFixed(1)}%`;

/** The part of all scores that the lower half of them has: 0 to 0.5. */
export function weakestHalf(scores: readonly number[]): number {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const all = sum(scores);
  const weakest = [...scores].sort((a, b) => a - b).slice(0, Math.floor(scores.length / 2));
  return all > 0 ? sum(weakest) / all : 0;
}
