/** The scores of each row with their intervals: a line for each metric, a dot with its whiskers for each row. */

import { scaleLinear } from "d3-scale";
import type { EvaluationReport, MetricName } from "../../../eval/index.js";
import { fixed, svgPage, svgText } from "../../svg.js";
import { colorsOf, drawLegend, legendOverhang, titleOf } from "./plot-parts.js";
import { metricWords } from "./words.js";

const width = 760;
const margin = { left: 220, right: 32 };
const topWithLegend = 92;
const rowHeight = 16;
const metricGap = 14;

export function drawScores(report: EvaluationReport): string {
  const { rows } = report;
  const names = (Object.keys(metricWords) as MetricName[]).filter((name) => rows.some(({ figures }) => figures[name]));
  const estimates = rows.flatMap(({ figures }) => Object.values(figures));
  const highest = Math.max(1, ...estimates.map(({ value, high = value }) => high));
  const x = scaleLinear([0, highest], [margin.left, width - margin.right]);
  const top = topWithLegend + legendOverhang(rows);
  const metricHeight = rows.length * rowHeight + metricGap;
  const bottom = top + names.length * metricHeight;
  const palette = colorsOf(rows);

  const grid = x.ticks(5).map((tick) => {
    const at = fixed(x(tick));
    return (
      `<line x1="${at}" x2="${at}" y1="${top - 6}" y2="${bottom}" stroke="#e6e6e6"/>` +
      svgText(x(tick), bottom + 18, x.tickFormat(5)(tick), { "text-anchor": "middle" })
    );
  });
  const drawn = names.flatMap((name, metric) => {
    const start = top + metric * metricHeight;
    const label = svgText(margin.left - 16, start + (rows.length * rowHeight) / 2 + 4, metricWords[name].trim(), {
      "text-anchor": "end",
    });
    const dots = rows.map(({ figures }, i) => {
      const estimate = figures[name];
      if (!estimate) return "";
      const { value, low = value, high = value } = estimate;
      const y = fixed(start + (i + 0.5) * rowHeight);
      return (
        `<line x1="${fixed(x(low))}" x2="${fixed(x(high))}" y1="${y}" y2="${y}" stroke="${palette[i]}" stroke-width="2"/>` +
        `<circle cx="${fixed(x(value))}" cy="${y}" r="4" fill="${palette[i]}"/>`
      );
    });
    return [label, ...dots];
  });
  return svgPage(width, bottom + 36, [...titleOf(report), ...drawLegend(rows, 16, 72), ...grid, ...drawn]);
}
