/** A soak's memory, threads and descriptors over time, as an SVG. */

import { axisName, chartTitle, renderChart } from "../../lib/cli/chart.js";
import type { Sample } from "./samples.js";

const colors = { memory: "#2f6f9f", descriptors: "#c0563b", threads: "#7a8794" };
const megabyte = 1e6;

export function soakPlot(samples: readonly Sample[], subtitle: string): string {
  const line = (name: string, color: string, yAxisIndex: number, of: (one: Sample) => number) => ({
    ...{ type: "line", name, yAxisIndex, showSymbol: false, lineStyle: { width: 1.5 }, color },
    data: samples.map((one) => [one.seconds / 60, of(one)]),
  });
  return renderChart(
    {
      title: chartTitle("A soak: what the process holds when nothing runs", subtitle),
      legend: { top: 58, left: 60 },
      grid: { top: 96, bottom: 52, left: 70, right: 60 },
      xAxis: { type: "value", ...axisName("minutes"), max: "dataMax", splitLine: { show: false } },
      yAxis: [
        { type: "value", name: "MB", min: 0, splitLine: { lineStyle: { color: "#e6e6e6" } } },
        { type: "value", min: 0, splitLine: { show: false } },
      ],
      series: [
        line("resident memory (MB)", colors.memory, 0, (one) => one.rssBytes / megabyte),
        line("open descriptors", colors.descriptors, 1, (one) => one.descriptors),
        line("threads", colors.threads, 1, (one) => one.threads),
      ],
    },
    860,
    420,
  );
}
