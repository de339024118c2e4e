/** Speed against agreement as an SVG: a dot with its name for each way. */

import type { BenchReport, BenchWay } from "../../../eval/index.js";
import { axisName, chartTitle, renderChart } from "../../chart.js";
import { agreementOf, nameOfWay } from "./words.js";

const width = 760;
const height = 460;

const colors = { prefill: "#3d7a4a", decode: "#8a8f98", fast: "#2f6f9f", exact: "#5b2a86" } as const;

function colorOf(way: BenchWay): string {
  if (typeof way === "string") return colors[way];
  return "acceptance" in way ? "#c0563b" : "#e0a13c";
}

export function drawBench({ rows, prefill, decode, prompts, data }: BenchReport): string {
  const points = rows.filter((row) => row.speed.writesTimes > 0 && agreementOf(row) !== undefined);
  const shares = points.map((row) => 100 * (agreementOf(row) ?? 0));
  const fastest = Math.max(1, ...points.map(({ speed }) => speed.writesTimes));
  const least = Math.min(90, ...shares);
  const count = `${prompts} ${prompts === 1 ? "prompt" : "prompts"}`;
  return renderChart(
    {
      title: chartTitle(
        `${fileOf(prefill.path)} and ${fileOf(decode.path)}`,
        data === undefined ? count : `${fileOf(data)}, ${count}`,
      ),
      grid: { top: 84, left: 72, right: 120, bottom: 56 },
      xAxis: {
        type: "value",
        min: 0,
        max: Math.ceil(2 * fastest) / 2,
        ...axisName("writing, in times of the full model's speed"),
      },
      yAxis: {
        type: "value",
        min: Math.max(0, 10 * Math.floor(least / 10)),
        max: 100,
        name: "tokens that the full model would have written, %",
        nameTextStyle: { align: "left" },
      },
      series: points.map(({ way, speed }, i) => ({
        name: nameOfWay(way),
        type: "scatter",
        symbolSize: 12,
        itemStyle: { color: colorOf(way), opacity: 1 },
        // Names of neighbours stand on different sides of their dots.
        label: { show: true, position: i % 2 === 0 ? "right" : "bottom", formatter: nameOfWay(way) },
        data: [[speed.writesTimes, shares[i]]],
      })),
    },
    width,
    height,
  );
}

const fileOf = (path: string) => path.replace(/^.*[/\\]/, "");
