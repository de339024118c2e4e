/** The losses of `report:prune` over the ratio, a line for each way to choose, as SVG. */

import { renderChart } from "../../lib/cli/chart.js";
import type { LossRow } from "./prune.js";

const width = 940;
const height = 440;
/** One for each way to choose, whether compensated or not. */
const colors = ["#2f7d5b", "#3a6ea5", "#d08c2e", "#c0563b"];

export function lossPlot(rows: readonly LossRow[], before: number): string {
  const choices = [...new Set(rows.map((row) => row.keeps))];
  const names = [...new Set(rows.map(nameOf))];
  return renderChart(
    {
      title: {
        text: "Loss of the demo model after pruning hidden and FFN width, before any healing",
        left: 16,
        top: 8,
        textStyle: { fontSize: 15 },
      },
      legend: { orient: "vertical", right: 12, top: 56, itemWidth: 36, itemGap: 14 },
      grid: { top: 64, left: 56, right: 340, bottom: 48 },
      xAxis: { type: "value", name: "share of the channels that goes", nameLocation: "middle", nameGap: 28, max: 0.5 },
      yAxis: { type: "value", name: "nats a token", nameTextStyle: { align: "left" }, scale: true },
      series: names.map((name) => {
        const own = rows.filter((row) => nameOf(row) === name);
        return {
          name,
          type: "line",
          symbolSize: 6,
          lineStyle: { type: own[0]?.compensated ? "solid" : "dashed" },
          itemStyle: { color: colors[choices.indexOf(own[0]?.keeps ?? "")] },
          data: [[0, before], ...own.map((row) => [row.ratio, meanOf(row.losses)])],
        };
      }),
    },
    width,
    height,
  );
}

const nameOf = ({ keeps, compensated }: LossRow): string => `${keeps}, ${compensated ? "compensated" : "sliced"}`;

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
