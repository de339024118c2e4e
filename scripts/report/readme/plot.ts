/**
 * The README's picture: a line for each way of writing. On the left how near it comes to the full model, by the
 * reproduction's pair, whose models were trained and are tiny; on the right how fast it is, by models in the paper's size,
 * whose weights are random. Neither pair could tell both.
 */

import { renderChart } from "../../../lib/cli/chart.js";
import type { BenchWay } from "../../../lib/index.js";
import { checked, type Figures, formatShare, rowOf } from "./figures.js";

const width = 1080;
const height = 340;
const grey = "#5f6672";

interface Drawn {
  readonly way: BenchWay;
  readonly name: string;
  readonly color: string;
  /** Said behind the speed. */
  readonly note: string;
}

/** From above. */
const ways: readonly Drawn[] = [
  { way: "prefill", name: "full model alone", color: "#3d7a4a", note: "" },
  { way: "decode", name: "small model alone", color: "#8a8f98", note: "" },
  { way: "fast", name: "two stages, fast", color: "#2f6f9f", note: "" },
  { way: checked, name: "two stages, checked", color: "#c0563b", note: ", no draft kept" },
  { way: "exact", name: "two stages, exact", color: "#5b2a86", note: ", no draft kept" },
];

/** A bar from 0 to each value, with its text behind. */
function bars(axis: number, values: readonly number[], texts: readonly string[]): object[] {
  const place = { xAxisIndex: axis, yAxisIndex: axis };
  return ways.map(({ color }, i) => ({
    ...place,
    type: "line",
    symbol: "circle",
    symbolSize: 1,
    lineStyle: { width: 18, color },
    itemStyle: { color },
    data: [
      { value: [0, i] },
      {
        value: [values[i], i],
        label: { show: true, position: "right", distance: 8, color: "#222222", formatter: texts[i] },
      },
    ],
  }));
}

export function readmePlot({ stories, pruned }: Figures): string {
  const near = ways.map(({ way }) => 100 * rowOf(stories, way).written.agreement);
  const fast = ways.map(({ way }) => Number(rowOf(pruned, way).speed.decodeTokensPerSecond.toFixed(1)));
  const title = (text: string, subtext: string, left: number) => ({
    text,
    subtext,
    left,
    top: 10,
    itemGap: 6,
    textStyle: { fontSize: 15 },
    subtextStyle: { color: grey, fontSize: 12 },
  });
  const rows = (gridIndex: number, shown: boolean) => ({
    type: "category",
    gridIndex,
    inverse: true,
    data: ways.map(({ name }) => name),
    axisTick: { show: false },
    axisLine: { lineStyle: { color: grey } },
    axisLabel: { show: shown, fontSize: 13, color: "#222222" },
  });
  const scale = (gridIndex: number, name: string, max: number) => ({
    type: "value",
    gridIndex,
    min: 0,
    max,
    name,
    nameLocation: "middle",
    nameGap: 28,
    nameTextStyle: { color: grey },
    splitLine: { lineStyle: { color: "#e6e6e6" } },
  });
  return renderChart(
    {
      title: [
        title("How near: trained models", `0.9 and 0.3 million weights, ${stories.prompts} held-out questions`, 160),
        title(
          "How fast: the paper's size, random weights",
          `3.1 and 1.2 GB, ${pruned.threads} threads, answers of ${pruned.maxTokens} tokens`,
          620,
        ),
      ],
      grid: [
        { top: 72, left: 160, width: 340, bottom: 52 },
        { top: 72, left: 620, width: 300, bottom: 52 },
      ],
      xAxis: [
        scale(0, "tokens that the full model would have written, %", 100),
        scale(1, "tokens written a second", 10 * Math.ceil(Math.max(...fast) / 10)),
      ],
      yAxis: [rows(0, true), rows(1, false)],
      series: [
        ...bars(
          0,
          near,
          near.map((share) => formatShare(share / 100)),
        ),
        ...bars(
          1,
          fast,
          ways.map(({ note }, i) => `${fast[i]?.toFixed(1)}${note}`),
        ),
      ],
    },
    width,
    height,
  );
}
