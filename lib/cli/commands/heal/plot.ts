/** The losses of a training over its steps, as an SVG: a line for the steps, and one with dots for the evaluations. */

import type { Evaluation, HealResult } from "../../../train/index.js";
import { axisName, chartTitle, renderChart } from "../../chart.js";

const colors = { training: "#8fb3cf", evaluation: "#c0563b" };
/** More than the picture has columns for would only make the file larger. */
const mostPoints = 500;

/** @param title names what was trained */
export function drawLosses({ losses, evaluations }: Pick<HealResult, "losses" | "evaluations">, title: string): string {
  const pointsOf = (all: readonly Evaluation[]) => all.map(({ step, loss }) => [step, loss]);
  const training = {
    name: "training",
    type: "line",
    symbol: "none",
    itemStyle: { color: colors.training },
    data: pointsOf(meansOf(losses, mostPoints)),
  };
  const evaluation = {
    name: "held-out data",
    type: "line",
    symbol: "circle",
    symbolSize: 6,
    itemStyle: { color: colors.evaluation },
    data: pointsOf(evaluations),
  };
  const last = Math.max(1, losses.length, ...evaluations.map(({ step }) => step));
  return renderChart(
    {
      title: chartTitle(title, "loss in nats a token"),
      legend: { right: 24, top: 36 },
      grid: { top: 72, right: 24, bottom: 52, left: 60 },
      xAxis: { type: "value", ...axisName("step"), min: 0, max: last, minInterval: 1, splitLine: { show: false } },
      yAxis: { type: "value", min: 0 },
      series: [training, evaluation].filter(({ data }) => data.length > 0),
    },
    760,
    380,
  );
}

/** At most `most` points, each the mean of equally many steps (the last one of fewer) in the middle of them. */
export function meansOf(losses: readonly number[], most: number): Evaluation[] {
  const length = Math.max(1, Math.ceil(losses.length / most));
  return Array.from({ length: Math.ceil(losses.length / length) }, (_, i) => {
    const part = losses.slice(i * length, (i + 1) * length);
    return { step: i * length + (part.length - 1) / 2, loss: part.reduce((sum, loss) => sum + loss, 0) / part.length };
  });
}
