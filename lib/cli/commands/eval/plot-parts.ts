/** What the plots of an evaluation have in common: a colour for each row, and the legend. */

import type { ScoreRow } from "../../../engine/index.js";
import type { EvaluationReport, RowReport } from "../../../eval/index.js";
import { svgText } from "../../svg.js";
import { nameOfRow } from "./words.js";

const colors = { prefill: "#3d7a4a", decode: "#8a8f98", "two-stage": "#2f6f9f" } as const;
/** From light to dark, by the order of the intervals. */
const refreshColors = ["#e0a13c", "#c0563b", "#8e3563", "#5b2a86"];

/** A colour for each row, in their order. */
export function colorsOf(rows: readonly { readonly row: ScoreRow }[]): string[] {
  let refreshes = 0;
  return rows.map(({ row }) =>
    typeof row === "object" ? (refreshColors[refreshes++ % refreshColors.length] ?? "#000000") : colors[row],
  );
}

const legendColumns = 6;
const legendLine = 18;

/** Entries beside each other, from `x` on; more of them than fit go on below. */
export function drawLegend(rows: readonly RowReport[], x: number, y: number): string[] {
  const palette = colorsOf(rows);
  return rows.map(({ row }, i) => {
    const left = x + (i % legendColumns) * 116;
    const at = y + Math.floor(i / legendColumns) * legendLine;
    return `<circle cx="${left}" cy="${at - 4}" r="4" fill="${palette[i]}"/>${svgText(left + 10, at, nameOfRow(row))}`;
  });
}

/** What a legend of so many entries takes below its first line. */
export function legendOverhang(rows: readonly RowReport[]): number {
  return Math.max(0, Math.ceil(rows.length / legendColumns) - 1) * legendLine;
}

/** The models, and what they were measured on. */
export function titleOf({ prefill, decode, data, examples }: EvaluationReport): string[] {
  const pair = decode ? `${fileOf(prefill.path)} and ${fileOf(decode.path)}` : fileOf(prefill.path);
  return [
    svgText(16, 26, pair, { "font-size": "15", "font-weight": "bold" }),
    svgText(16, 46, `${fileOf(data)}, ${examples} ${examples === 1 ? "example" : "examples"}`, { fill: "#5a6570" }),
  ];
}

const fileOf = (path: string) => path.replace(/^.*[/\\]/, "");
