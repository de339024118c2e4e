/** The errors of a translator's maps, layer by layer, as an SVG: a line each for K and V. */

import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import type { TranslatorInfo, TranslatorLayer } from "../../../engine/index.js";
import { fixed, svgPage, svgText } from "../../svg.js";

const width = 760;
const height = 380;
const margin = { top: 64, right: 24, bottom: 52, left: 60 };
const series = [
  { name: "K", color: "#2f6f9f", errorOf: ({ k, errorK }: TranslatorLayer) => k && errorK },
  { name: "V", color: "#c0563b", errorOf: ({ v, errorV }: TranslatorLayer) => v && errorV },
];

interface Point {
  readonly layer: number;
  readonly error: number;
}

/** SVG text, or undefined if no error is known. */
export function drawLayerErrors(info: TranslatorInfo): string | undefined {
  const lines = series.map(({ name, color, errorOf }) => {
    const points = info.layers.flatMap((layer): Point[] => {
      const error = errorOf(layer);
      return error === undefined ? [] : [{ layer: layer.layer, error }];
    });
    return { name, color, points };
  });
  const errors = lines.flatMap(({ points }) => points.map(({ error }) => error));
  if (errors.length === 0) return undefined;

  const last = Math.max(1, info.layers.length - 1);
  const x = scaleLinear([0, last], [margin.left, width - margin.right]);
  const y = scaleLinear([0, Math.max(0.1, ...errors)], [height - margin.bottom, margin.top]).nice();
  const path = line<Point>(
    ({ layer }) => x(layer),
    ({ error }) => y(error),
  );

  const rows = y.ticks(6).map((tick) => {
    const at = y(tick).toFixed(1);
    return (
      `<line x1="${margin.left}" x2="${width - margin.right}" y1="${at}" y2="${at}" stroke="#e6e6e6"/>` +
      svgText(margin.left - 8, y(tick) + 4, y.tickFormat(6)(tick), { "text-anchor": "end" })
    );
  });
  const columns = x
    .ticks(Math.min(14, last))
    .filter(Number.isInteger)
    .map((tick) => svgText(x(tick), height - margin.bottom + 20, String(tick), { "text-anchor": "middle" }));
  const drawn = lines.map(
    ({ color, points }) =>
      `<path d="${path(points) ?? ""}" fill="none" stroke="${color}" stroke-width="1.8"/>` +
      points
        .map(({ layer, error }) => `<circle cx="${fixed(x(layer))}" cy="${fixed(y(error))}" r="3" fill="${color}"/>`)
        .join(""),
  );
  const legend = lines.map(
    ({ name, color }, i) =>
      `<circle cx="${width - margin.right - 70 + i * 44}" cy="44" r="4" fill="${color}"/>` +
      svgText(width - margin.right - 60 + i * 44, 48, name),
  );
  const title = `${info.source.name || "prefill model"} to ${info.target.name || "decode model"}`;
  return svgPage(width, height, [
    svgText(16, 26, title, { "font-size": "15", "font-weight": "bold" }),
    svgText(16, 46, "squared error on held-out text, relative to the mean's", { fill: "#5a6570" }),
    ...rows,
    ...columns,
    svgText((margin.left + width - margin.right) / 2, height - 12, "layer of the decode model", {
      "text-anchor": "middle",
    }),
    ...legend,
    ...drawn,
  ]);
}
