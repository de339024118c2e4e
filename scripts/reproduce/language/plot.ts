/** Two pictures beside each other: what is written against how fast, and nearness to the full model over a continuation. */

import { renderChart } from "../../../lib/cli/chart.js";
import type { Way } from "./measure.js";
import type { LanguageOutcome } from "./report.js";

const width = 1280;
const height = 480;
const colors = ["#8a8f98", "#2f6f9f", "#e0a13c", "#b5651d", "#c0563b", "#5b2a86"];
const palette = ["#2f6f9f", "#3d7a4a", "#c0563b", "#e0a13c", "#5b2a86", "#8e3563", "#8a8f98", "#444444"];
const axis = (name: string) => ({ name, nameLocation: "middle", nameGap: 28 });

export function languagePlot({ plan, full, groups }: LanguageOutcome): string {
  const ways = [...new Set(groups.flatMap((group) => group.ways.map(({ way }) => way)))];
  const dots = ways.map((way, i) => ({
    name: way,
    type: "scatter",
    symbolSize: 8,
    itemStyle: { color: colors[i % colors.length], opacity: 0.9 },
    data: groups.flatMap((group) => {
      const own = group.ways.find((each) => each.way === way);
      const perplexity = own?.all.sampledPerplexity?.value;
      return own?.times === undefined || perplexity === undefined ? [] : [[own.times, perplexity]];
    }),
  }));
  const own = full.all.sampledPerplexity?.value;
  const alone = {
    name: "full model alone",
    type: "scatter",
    symbol: "diamond",
    symbolSize: 12,
    itemStyle: { color: "#000000" },
    data: own === undefined ? [] : [[1, own]],
  };
  // Of the many writers those that differ most: the quantised ones, in two stages.
  const lines = groups
    .filter(({ name }) => !/pruned/.test(name))
    .map((group, i) => ({
      name: group.name,
      type: "line",
      symbolSize: 5,
      xAxisIndex: 1,
      yAxisIndex: 1,
      itemStyle: { color: palette[i % palette.length] },
      data: (group.ways.find(({ way }) => way === ("two-stage" satisfies Way))?.parts ?? []).map((part, at) => [
        plan.bounds[at],
        part.givenDivergence?.value ?? null,
      ]),
    }));
  return renderChart(
    {
      title: [
        { text: "perplexity of what is written, by speed", left: 16, top: 8, textStyle: { fontSize: 14 } },
        { text: "KL from the full model, two-stage", left: 540, top: 8, textStyle: { fontSize: 14 } },
      ],
      legend: { orient: "vertical", left: 1080, top: 40, itemGap: 10, textStyle: { fontSize: 11 } },
      grid: [
        { top: 48, left: 64, width: 410, bottom: 56 },
        { top: 48, left: 590, width: 440, bottom: 56 },
      ],
      xAxis: [
        { type: "value", min: 0, ...axis("writing, in times of the full model's speed") },
        { type: "log", logBase: 2, gridIndex: 1, ...axis("place in the continuation, up to"), min: plan.bounds[0] },
      ],
      yAxis: [
        { type: "log", logBase: 2 },
        { type: "value", gridIndex: 1, min: 0 },
      ],
      series: [alone, ...dots, ...lines],
    },
    width,
    height,
  );
}
