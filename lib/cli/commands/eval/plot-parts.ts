/** What the plots of an evaluation have in common: a colour for each row, and the legend. */

import type { EvaluatedRow, EvaluationReport, RowReport } from "../../../eval/index.js";
import { chartTitle } from "../../chart.js";
import { nameOfRow } from "./words.js";

const colors = { prefill: "#3d7a4a", decode: "#8a8f98", "two-stage": "#2f6f9f" } as const;
/** From light to dark, by the order of the intervals. */
const refreshColors = ["#e0a13c", "#c0563b", "#8e3563", "#5b2a86"];

/** A colour for each row, in their order. */
export function colorsOf(rows: readonly { readonly row: EvaluatedRow }[]): string[] {
  let refreshes = 0;
  return rows.map(({ row }) =>
    typeof row === "object" ? (refreshColors[refreshes++ % refreshColors.length] ?? "#000000") : colors[row],
  );
}

const legendColumns = 6;
const legendLine = 25;

/** A legend of the rows below the title; more of them than fit beside each other go on below. */
export const legendOf = (rows: readonly RowReport[]) => ({
  left: 16,
  top: 60,
  width: 728,
  data: rows.map(({ row }) => ({ name: nameOfRow(row), icon: "circle" })),
});

/** What a legend of so many entries takes below its first line. */
export function legendOverhang(rows: readonly RowReport[]): number {
  return Math.max(0, Math.ceil(rows.length / legendColumns) - 1) * legendLine;
}

/** The models, and what they were measured on. */
export function titleOf({ prefill, decode, data, examples }: EvaluationReport) {
  const pair = decode ? `${fileOf(prefill.path)} and ${fileOf(decode.path)}` : fileOf(prefill.path);
  return chartTitle(pair, `${fileOf(data)}, ${examples} ${examples === 1 ? "example" : "examples"}`);
}

const fileOf = (path: string) => path.replace(/^.*[/\\]/, "");
