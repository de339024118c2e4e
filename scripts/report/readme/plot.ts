/**
 * The README's picture: on the left speed against nearness of the reproduction's pair, whose models were trained and are
 * tiny; on the right speeds of models in the paper's size, whose weights are random, so that nothing can be said of nearness.
 */

import { renderChart } from "../../../lib/cli/chart.js";
import type { BenchRow, BenchWay } from "../../../lib/index.js";
import { checked, type Figures, type Measured, rowOf } from "./figures.js";

const width = 1120;
const height = 420;

interface Drawn {
  readonly way: BenchWay;
  readonly name: string;
  readonly color: string;
  /** On which side of its dot the name stands. */
  readonly side: "left" | "right" | "top" | "bottom";
}

const ways: readonly Drawn[] = [
  { way: "prefill", name: "full alone", color: "#3d7a4a", side: "bottom" },
  { way: "decode", name: "small alone", color: "#8a8f98", side: "left" },
  { way: "fast", name: "two stages, fast", color: "#2f6f9f", side: "bottom" },
  { way: checked, name: "two stages, checked", color: "#c0563b", side: "bottom" },
  { way: "exact", name: "two stages, exact", color: "#5b2a86", side: "bottom" },
];

const timesOf = (row: BenchRow) => Number(row.speed.writesTimes.toFixed(2));
const title = (text: string, subtext: string, left: number) => ({
  text,
  subtext,
  left,
  top: 8,
  itemGap: 6,
  textStyle: { fontSize: 15 },
});
const tokens = ({ promptTokens, prompts }: Measured) => `${Math.round(promptTokens / prompts)} tokens`;

export function readmePlot({ stories, pruned }: Figures): string {
  const fastest = Math.max(...ways.map(({ way }) => rowOf(stories, way).speed.writesTimes));
  const reversed = ways.toReversed();
  return renderChart(
    {
      title: [
        title(
          "How near, and how fast: trained models",
          `the reproduction's pair, 0.9M and 0.3M weights; ${stories.prompts} held-out questions`,
          16,
        ),
        title(
          "How fast: the paper's size, random weights",
          `3.1 GB and 1.2 GB in q8_0, ${pruned.threads} threads; a prompt of ${tokens(pruned)}, answers of ${pruned.maxTokens}`,
          600,
        ),
      ],
      grid: [
        { top: 84, left: 64, width: 450, bottom: 56 },
        { top: 84, left: 736, width: 290, bottom: 56 },
      ],
      xAxis: [
        {
          type: "value",
          min: 0,
          max: Math.ceil(2 * fastest + 0.5) / 2,
          name: "writing, in times of the full model's speed",
          nameLocation: "middle",
          nameGap: 28,
        },
        {
          type: "value",
          gridIndex: 1,
          min: 0,
          name: "writing, in times of the full model's speed",
          nameLocation: "middle",
          nameGap: 28,
        },
      ],
      yAxis: [
        {
          type: "value",
          min: 0,
          max: 100,
          name: "tokens that the full model would have written, %",
          nameTextStyle: { align: "left", padding: [0, 0, 0, -40] },
        },
        {
          type: "category",
          gridIndex: 1,
          data: reversed.map(({ name }) => name),
          axisTick: { show: false },
        },
      ],
      series: [
        ...ways.map(({ way, name, color, side }) => ({
          name,
          type: "scatter",
          symbolSize: 14,
          itemStyle: { color, opacity: 1 },
          label: { show: true, position: side, formatter: name },
          data: [[timesOf(rowOf(stories, way)), 100 * rowOf(stories, way).written.agreement]],
        })),
        {
          type: "scatter",
          xAxisIndex: 1,
          yAxisIndex: 1,
          symbolSize: 14,
          data: reversed.map(({ way, color }, i) => ({
            value: [timesOf(rowOf(pruned, way)), i],
            itemStyle: { color, opacity: 1 },
          })),
          label: {
            show: true,
            position: "right",
            formatter: ({ dataIndex }: { dataIndex: number }) => labelOf(pruned, reversed[dataIndex]),
          },
        },
      ],
    },
    width,
    height,
  );
}

function labelOf(measured: Measured, drawn: Drawn | undefined): string {
  if (!drawn) return "";
  return `${rowOf(measured, drawn.way).speed.decodeTokensPerSecond.toFixed(1)} tokens/s`;
}
