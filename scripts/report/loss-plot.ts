/** The losses of `report:prune` over the ratio, a line for each way to choose, as SVG. */

import * as echarts from "echarts";
import type { LossRow } from "./prune.js";

const width = 820;
const height = 460;

export function lossPlot(rows: readonly LossRow[], before: number): string {
  const names = [...new Set(rows.map(nameOf))];
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width, height });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    title: {
      text: "Loss of the demo model after pruning hidden and FFN width, before any healing",
      left: 16,
      top: 8,
      textStyle: { fontSize: 15 },
    },
    legend: { top: 36, left: 16 },
    grid: { top: 100, left: 64, right: 32, bottom: 48 },
    xAxis: { type: "value", name: "share of the channels that goes", nameLocation: "middle", nameGap: 28, max: 0.5 },
    yAxis: { type: "value", name: "nats a token", scale: true },
    series: names.map((name) => ({
      name,
      type: "line",
      lineStyle: { type: name.endsWith("sliced") ? "dashed" : "solid" },
      data: [[0, before], ...rows.filter((row) => nameOf(row) === name).map((row) => [row.ratio, meanOf(row.losses)])],
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

const nameOf = ({ keeps, compensated }: LossRow): string => `${keeps}, ${compensated ? "compensated" : "sliced"}`;

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
