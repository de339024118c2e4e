/**
 * How near each row is to the full model by the position in the response: KL above, agreement below, each with its
 * interval as a band. Positions are the ranges of the report, which double: the axis is logarithmic.
 */

import type { CustomSeriesRenderItem } from "echarts";
import type { Estimate, EvaluationReport, PositionFigures, RowReport } from "../../../eval/index.js";
import { axisName, renderChart } from "../../chart.js";
import { colorsOf, legendOf, legendOverhang, titleOf } from "./plot-parts.js";
import { nameOfRow } from "./words.js";

const topWithLegend = 116;
const panelHeight = 200;
const panelGap = 56;

interface Panel {
  readonly title: string;
  readonly most?: number;
  readonly figure: (position: PositionFigures) => Estimate;
}

const panels: readonly Panel[] = [
  { title: "KL from the full model, nats", figure: ({ divergence }) => divergence },
  { title: "agreement with the full model", most: 1, figure: ({ agreement }) => agreement },
];

export function drawPositions(report: EvaluationReport): string {
  const rows = report.rows.filter(({ positions }) => positions);
  const top = topWithLegend + legendOverhang(rows);
  const ranges = (rows[0]?.positions ?? []).map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`));
  return renderChart(
    {
      title: titleOf(report),
      legend: legendOf(rows),
      grid: panels.map((_, i) => ({
        top: top + i * (panelHeight + panelGap),
        height: panelHeight,
        left: 64,
        right: 24,
      })),
      xAxis: panels.map((_, gridIndex) => ({
        type: "category",
        gridIndex,
        data: ranges,
        ...(gridIndex === panels.length - 1 && axisName("position in the response")),
      })),
      yAxis: panels.map(({ title, most }, gridIndex) => ({
        type: "value",
        gridIndex,
        min: 0,
        max: most,
        name: title,
        nameTextStyle: { align: "left" },
      })),
      series: panels.flatMap((panel, i) => seriesOf(panel, i, rows)),
    },
    760,
    top + panels.length * (panelHeight + panelGap),
  );
}

/** A line with dots for each row, and the band of its intervals behind it. */
function seriesOf({ figure }: Panel, panel: number, rows: readonly RowReport[]) {
  const palette = colorsOf(rows);
  const axes = { xAxisIndex: panel, yAxisIndex: panel };
  return rows.flatMap(({ row, positions = [] }, i) => {
    const estimates = positions.map(figure);
    const color = palette[i] ?? "#000000";
    // One shape for all positions.
    const band: CustomSeriesRenderItem = (_, api) => ({
      type: "polygon",
      shape: {
        points: [
          ...estimates.map(({ value, low = value }, at) => api.coord([at, low])),
          ...estimates.map(({ value, high = value }, at) => api.coord([at, high])).reverse(),
        ],
      },
      style: { fill: color, opacity: 0.14 },
    });
    return [
      { type: "custom", ...axes, renderItem: band, silent: true, data: [[0, 0]] },
      {
        name: nameOfRow(row),
        type: "line",
        ...axes,
        symbol: "circle",
        symbolSize: 6,
        itemStyle: { color },
        data: estimates.map(({ value }) => value),
      },
    ];
  });
}
