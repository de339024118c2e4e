/**
 * How near each row is to the full model by the position in the response: KL above, agreement below, each with its
 * interval as a band. Positions are the ranges of the report, which double: the axis is logarithmic.
 */

import { scaleLinear } from "d3-scale";
import { area, line } from "d3-shape";
import type { Estimate, EvaluationReport, PositionFigures, RowReport } from "../../../eval/index.js";
import { fixed, svgPage, svgText } from "../../svg.js";
import { colorsOf, drawLegend, legendOverhang, titleOf } from "./plot-parts.js";

const width = 760;
const margin = { left: 64, right: 24 };
const topWithLegend = 96;
const panelHeight = 200;
const panelGap = 48;

interface Panel {
  readonly title: string;
  readonly top: number;
  readonly most: number;
  readonly figure: (position: PositionFigures) => Estimate;
}

export function drawPositions(report: EvaluationReport): string {
  const rows = report.rows.filter(({ positions }) => positions);
  const top = topWithLegend + legendOverhang(rows);
  const ranges = rows[0]?.positions ?? [];
  const highest = Math.max(
    1e-3,
    ...rows.flatMap(({ positions = [] }) => positions.map(({ divergence }) => divergence.high ?? divergence.value)),
  );
  const x = scaleLinear([0, Math.max(1, ranges.length - 1)], [margin.left + 16, width - margin.right - 16]);
  const panels: Panel[] = [
    { title: "KL from the full model, nats", top, most: highest, figure: ({ divergence }) => divergence },
    {
      title: "agreement with the full model",
      top: top + panelHeight + panelGap,
      most: 1,
      figure: ({ agreement }) => agreement,
    },
  ];
  const bottom = top + 2 * panelHeight + panelGap;
  const labels = ranges.map(({ from, to }, i) =>
    svgText(x(i), bottom + 18, from === to ? String(from) : `${from}-${to}`, { "text-anchor": "middle" }),
  );
  return svgPage(width, bottom + 56, [
    ...titleOf(report),
    ...drawLegend(rows, 16, 72),
    ...panels.flatMap((panel) => drawPanel(panel, rows, x)),
    ...labels,
    svgText(width / 2, bottom + 38, "position in the response", { "text-anchor": "middle" }),
  ]);
}

function drawPanel({ title, top, most, figure }: Panel, rows: readonly RowReport[], x: (index: number) => number) {
  const y = scaleLinear([0, most], [top + panelHeight, top + 16]).nice();
  const grid = y.ticks(5).map((tick) => {
    const at = fixed(y(tick));
    return (
      `<line x1="${margin.left}" x2="${width - margin.right}" y1="${at}" y2="${at}" stroke="#e6e6e6"/>` +
      svgText(margin.left - 8, y(tick) + 4, y.tickFormat(5)(tick), { "text-anchor": "end" })
    );
  });
  const palette = colorsOf(rows);
  const path = line<Estimate>(
    (_, i) => x(i),
    ({ value }) => y(value),
  );
  const band = area<Estimate>(
    (_, i) => x(i),
    ({ value, low = value }) => y(low),
    ({ value, high = value }) => y(high),
  );
  const drawn = rows.flatMap(({ positions = [] }, i) => {
    const estimates = positions.map(figure);
    const color = palette[i];
    return [
      `<path d="${band(estimates) ?? ""}" fill="${color}" fill-opacity="0.14" stroke="none"/>`,
      `<path d="${path(estimates) ?? ""}" fill="none" stroke="${color}" stroke-width="1.8"/>`,
      ...estimates.map(
        ({ value }, at) => `<circle cx="${fixed(x(at))}" cy="${fixed(y(value))}" r="3" fill="${color}"/>`,
      ),
    ];
  });
  return [...grid, svgText(margin.left, top + 4, title, { fill: "#5a6570" }), ...drawn];
}
