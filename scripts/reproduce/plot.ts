/** Two pictures beside each other: right answers over the steps of healing, and right words by their place in the answer. */

import { renderChart } from "../../lib/cli/chart.js";
import { rowNames } from "./contestants.js";
import type { Outcome } from "./report.js";

const width = 1280;
const height = 460;
const colors = { full: "#444444", overfill: "#2f7d5b", sft: "#c0563b" };
const dashes = ["solid", "dashed", "dotted"];

export function outcomePlot({ rows, curve, plan }: Outcome): string {
  const dashOf = (ratio: number | undefined) => dashes[plan.ratios.indexOf(ratio ?? Number.NaN)] ?? "solid";
  const full = rows.find(({ name }) => name === rowNames.full)?.scores.exact.heldOut.value;
  const kinds = { overfill: rowNames.overfill, sft: rowNames.sft };
  const overSteps = plan.ratios.flatMap((ratio) =>
    (["overfill", "sft"] as const).map((kind) => ({
      name: `${kinds[kind]}, ${100 * ratio}% pruned`,
      type: "line",
      symbolSize: 6,
      itemStyle: { color: colors[kind] },
      lineStyle: { type: dashOf(ratio) },
      data: curve
        .filter((point) => point.kind === kind && point.ratio === ratio)
        .map(({ steps, exact }) => [steps, 100 * exact.value]),
    })),
  );
  const steps = curve.map((point) => point.steps);
  const fullLine = {
    name: rowNames.full,
    type: "line",
    symbol: "none",
    itemStyle: { color: colors.full },
    data: full === undefined ? [] : [Math.min(...steps), Math.max(...steps)].map((step) => [step, 100 * full]),
  };
  const byPlace = rows
    .filter(({ name }) => [rowNames.full, rowNames.overfill, rowNames.sft].includes(name as never))
    .map(({ name, ratio, scores }) => ({
      name: ratio === undefined ? name : `${name}, ${100 * ratio}% pruned`,
      type: "line",
      symbolSize: 4,
      xAxisIndex: 1,
      yAxisIndex: 1,
      itemStyle: {
        color: name === rowNames.full ? colors.full : name === rowNames.overfill ? colors.overfill : colors.sft,
      },
      lineStyle: { type: dashOf(ratio) },
      data: scores.places.map(({ place, right }) => [place + 1, 100 * right]),
    }));
  return renderChart(
    {
      title: [
        { text: "right answers to held-out questions, %", left: 16, top: 8, textStyle: { fontSize: 14 } },
        { text: "right words by place in the answer, %", left: 500, top: 8, textStyle: { fontSize: 14 } },
      ],
      legend: { orient: "vertical", left: 920, top: 56, itemWidth: 30, itemGap: 12, textStyle: { fontSize: 11 } },
      grid: [
        { top: 48, left: 56, width: 390, bottom: 48 },
        { top: 48, left: 540, width: 350, bottom: 48 },
      ],
      xAxis: [
        {
          type: "log",
          name: "steps of healing",
          nameLocation: "middle",
          nameGap: 28,
          min: Math.min(...steps),
          max: Math.max(...steps),
        },
        { type: "value", gridIndex: 1, name: "word of the answer", nameLocation: "middle", nameGap: 28, min: 1 },
      ],
      yAxis: [
        { type: "value", min: 0, max: 100 },
        { type: "value", gridIndex: 1, min: 0, max: 100 },
      ],
      series: [fullLine, ...overSteps, ...byPlace],
    },
    width,
    height,
  );
}
