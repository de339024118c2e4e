/** The scores of each row with their intervals: a line for each metric, a dot with its whiskers for each row. */

import type { CustomSeriesRenderItem } from "echarts";
import type { EvaluationReport, MetricName } from "../../../eval/index.js";
import { renderChart } from "../../chart.js";
import { colorsOf, legendOf, legendOverhang, titleOf } from "./plot-parts.js";
import { metricWords, nameOfRow } from "./words.js";

const topWithLegend = 100;
const rowHeight = 16;
const metricGap = 14;

export function drawScores(report: EvaluationReport): string {
  const { rows } = report;
  const names = (Object.keys(metricWords) as MetricName[]).filter((name) => rows.some(({ figures }) => figures[name]));
  const estimates = rows.flatMap(({ figures }) => Object.values(figures));
  const highest = Math.max(1, ...estimates.map(({ value, high = value }) => high));
  const top = topWithLegend + legendOverhang(rows);
  const height = Math.max(1, names.length) * (rows.length * rowHeight + metricGap);
  const palette = colorsOf(rows);

  const series = rows.flatMap(({ row, figures }, i) => {
    const color = palette[i] ?? "#000000";
    // Rows of one metric stand below each other.
    const offset = (i - (rows.length - 1) / 2) * rowHeight;
    const shown = names.flatMap((name, metric) => {
      const estimate = figures[name];
      return estimate ? [{ metric, ...estimate }] : [];
    });
    const whiskers: CustomSeriesRenderItem = ({ dataIndex }, api) => {
      const { metric, value, low = value, high = value } = shown[dataIndex] ?? { metric: 0, value: 0 };
      const [[x1 = 0, y1 = 0], [x2 = 0] = []] = [api.coord([low, metric]), api.coord([high, metric])];
      return {
        type: "line",
        shape: { x1, y1: y1 + offset, x2, y2: y1 + offset },
        style: { stroke: color, lineWidth: 2 },
      };
    };
    const points = shown.map(({ metric, value }) => [value, metric]);
    return [
      { type: "custom", renderItem: whiskers, silent: true, data: points },
      {
        name: nameOfRow(row),
        type: "scatter",
        symbolSize: 8,
        symbolOffset: [0, offset],
        itemStyle: { color, opacity: 1 },
        data: points,
      },
    ];
  });
  return renderChart(
    {
      title: titleOf(report),
      legend: legendOf(rows),
      grid: { top, height, left: 220, right: 32 },
      xAxis: { type: "value", min: 0, max: highest },
      yAxis: {
        type: "category",
        inverse: true,
        data: names.map((name) => metricWords[name].trim()),
        axisTick: { show: false },
      },
      series,
    },
    760,
    top + height + 40,
  );
}
