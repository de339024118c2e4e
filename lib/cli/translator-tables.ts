/** What is known about a translator, as tables. */

import type { LinearMapShape, TranslatorInfo, TranslatorLayer, TranslatorLoss } from "../engine/index.js";
import { prose, renderTable } from "./tables.js";

/** A row a layer: where it comes from, its maps, and their errors. */
export function renderLayers({ layers }: TranslatorInfo): string {
  const measured = layers.some(({ errorK, errorV }) => errorK !== undefined || errorV !== undefined);
  const head = ["layer", "from", "map of K", "map of V", ...(measured ? ["error of K", "error of V"] : [])];
  const rows = layers.map((layer) => [
    String(layer.layer),
    String(layer.source),
    describeMap(layer.k),
    describeMap(layer.v),
    ...(measured ? errorsOf(layer) : []),
  ]);
  const legend = measured
    ? `\n${prose("Errors are squared and relative, on held-out text: 0 is exact, 1 no better than the mean.")}`
    : "";
  return renderTable(head, rows, [0, 1, 4, 5]) + legend;
}

const describeMap = (map: LinearMapShape | undefined): string =>
  map ? `${map.inputs} to ${map.outputs}` : "unchanged";

const errorsOf = ({ errorK, errorV, k, v }: TranslatorLayer): string[] => [
  describeError(k && errorK),
  describeError(v && errorV),
];

const describeError = (error: number | undefined): string => (error === undefined ? "" : error.toFixed(4));

/** The losses, and what they mean as perplexities. */
export function renderLosses(loss: TranslatorLoss): string {
  const row = (what: string, nats: number) => [what, nats.toFixed(4), Math.exp(nats).toPrecision(5)];
  const rows = [
    row("two-stage, before: without the maps", loss.unmapped),
    row("two-stage, after: with the translator", loss.mapped),
    row("the decode model alone", loss.alone),
  ];
  return renderTable(["next-token loss on held-out text", "nats a token", "perplexity"], rows, [1, 2]);
}
