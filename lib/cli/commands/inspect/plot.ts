/** The errors of a translator's maps, layer by layer, as an SVG: a line each for K and V. */

import type { TranslatorInfo, TranslatorLayer } from "../../../engine/index.js";
import { axisName, chartTitle, renderChart } from "../../chart.js";

const sides = [
  { name: "K", color: "#2f6f9f", errorOf: ({ k, errorK }: TranslatorLayer) => k && errorK },
  { name: "V", color: "#c0563b", errorOf: ({ v, errorV }: TranslatorLayer) => v && errorV },
];

/** SVG text, or undefined if no error is known. */
export function drawLayerErrors({ layers, source, target }: TranslatorInfo): string | undefined {
  const series = sides.map(({ name, color, errorOf }) => ({
    name,
    type: "line",
    symbol: "circle",
    symbolSize: 6,
    itemStyle: { color },
    data: layers.flatMap((layer) => {
      const error = errorOf(layer);
      return error === undefined ? [] : [[layer.layer, error]];
    }),
  }));
  if (series.every(({ data }) => data.length === 0)) return undefined;
  return renderChart(
    {
      title: chartTitle(
        `${source.name || "prefill model"} to ${target.name || "decode model"}`,
        "squared error on held-out text, relative to the mean's",
      ),
      legend: { right: 24, top: 36 },
      grid: { top: 72, right: 24, bottom: 52, left: 60 },
      xAxis: {
        type: "value",
        ...axisName("layer of the decode model"),
        min: 0,
        max: Math.max(1, layers.length - 1),
        minInterval: 1,
        splitLine: { show: false },
      },
      yAxis: { type: "value", min: 0 },
      series,
    },
    760,
    380,
  );
}
