/** The losses of a training over its steps, as an SVG: a line for the steps, and one with dots for the evaluations. */

import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import type { Evaluation, HealResult } from "../../../train/index.js";
import { fixed, svgPage, svgText } from "../../svg.js";

const width = 760;
const height = 380;
const margin = { top: 64, right: 24, bottom: 52, left: 60 };
const colors = { training: "#8fb3cf", evaluation: "#c0563b" };
/** More than the picture has columns for would only make the file larger. */
const mostPoints = 500;

/** @param title names what was trained */
export function drawLosses({ losses, evaluations }: Pick<HealResult, "losses" | "evaluations">, title: string): string {
  const training = meansOf(losses, mostPoints);
  const highest = Math.max(0.1, ...training.map(({ loss }) => loss), ...evaluations.map(({ loss }) => loss));
  const last = Math.max(1, losses.length, ...evaluations.map(({ step }) => step));
  const x = scaleLinear([0, last], [margin.left, width - margin.right]);
  const y = scaleLinear([0, highest], [height - margin.bottom, margin.top]).nice();
  const path = line<Evaluation>(
    ({ step }) => x(step),
    ({ loss }) => y(loss),
  );
  const draw = (points: readonly Evaluation[], color: string) =>
    `<path d="${path([...points]) ?? ""}" fill="none" stroke="${color}" stroke-width="1.8"/>`;

  const rows = y.ticks(6).map((tick) => {
    const at = fixed(y(tick));
    return (
      `<line x1="${margin.left}" x2="${width - margin.right}" y1="${at}" y2="${at}" stroke="#e6e6e6"/>` +
      svgText(margin.left - 8, y(tick) + 4, y.tickFormat(6)(tick), { "text-anchor": "end" })
    );
  });
  const columns = x
    .ticks(Math.min(10, last))
    .filter(Number.isInteger)
    .map((tick) => svgText(x(tick), height - margin.bottom + 20, String(tick), { "text-anchor": "middle" }));
  const shown = [
    ...(training.length > 0 ? [{ name: "training", color: colors.training }] : []),
    ...(evaluations.length > 0 ? [{ name: "held-out data", color: colors.evaluation }] : []),
  ];
  const legend = shown.map(
    ({ name, color }, i) =>
      `<circle cx="${width - margin.right - 180 + i * 84}" cy="44" r="4" fill="${color}"/>` +
      svgText(width - margin.right - 170 + i * 84, 48, name),
  );
  const dots = evaluations.map(
    ({ step, loss }) => `<circle cx="${fixed(x(step))}" cy="${fixed(y(loss))}" r="3" fill="${colors.evaluation}"/>`,
  );
  return svgPage(width, height, [
    svgText(16, 26, title, { "font-size": "15", "font-weight": "bold" }),
    svgText(16, 46, "loss in nats a token", { fill: "#5a6570" }),
    ...rows,
    ...columns,
    svgText((margin.left + width - margin.right) / 2, height - 12, "step", { "text-anchor": "middle" }),
    ...legend,
    ...(training.length > 0 ? [draw(training, colors.training)] : []),
    ...(evaluations.length > 0 ? [draw(evaluations, colors.evaluation), ...dots] : []),
  ]);
}

/** At most `most` points, each the mean of equally many steps (the last one of fewer) in the middle of them. */
export function meansOf(losses: readonly number[], most: number): Evaluation[] {
  const length = Math.max(1, Math.ceil(losses.length / most));
  return Array.from({ length: Math.ceil(losses.length / length) }, (_, i) => {
    const part = losses.slice(i * length, (i + 1) * length);
    return { step: i * length + (part.length - 1) / 2, loss: part.reduce((sum, loss) => sum + loss, 0) / part.length };
  });
}
