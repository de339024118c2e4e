/** Speed against nearness of every way in which a pair writes, as a small SVG that needs no library. */

import type { BenchReport, BenchWay } from "../eval/index.js";

const width = 640;
const height = 360;
const edges = { left: 60, right: 24, top: 44, bottom: 48 };

export function nameOfWay(way: BenchWay): string {
  if (way === "prefill") return "full alone";
  if (way === "decode") return "small alone";
  if (typeof way === "string") return way;
  return "acceptance" in way ? `acceptance ${way.acceptance}` : `refresh ${way.refreshInterval}`;
}

const escaped = (text: string) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** A dot for each way: right is faster, up is nearer to the full model. */
export function drawWays({ rows }: BenchReport): string {
  const fastest = Math.max(1, ...rows.map(({ speed }) => speed.writesTimes)) * 1.15;
  const x = (times: number) => edges.left + (times / fastest) * (width - edges.left - edges.right);
  const y = (share: number) => height - edges.bottom - share * (height - edges.top - edges.bottom);
  const line = (x1: number, y1: number, x2: number, y2: number) =>
    `<path d="M${x1.toFixed(1)} ${y1.toFixed(1)}L${x2.toFixed(1)} ${y2.toFixed(1)}" stroke="#d8dde3"/>`;
  const word = (at: readonly [number, number], text: string, more = "") =>
    `<text x="${at[0].toFixed(1)}" y="${at[1].toFixed(1)}" ${more}>${escaped(text)}</text>`;
  const shares = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
    line(edges.left, y(share), width - edges.right, y(share)),
    word([edges.left - 8, y(share) + 4], `${100 * share}%`, 'text-anchor="end"'),
  ]);
  const step = fastest > 8 ? 2 : fastest > 3 ? 1 : 0.5;
  const times = Array.from({ length: Math.floor(fastest / step) + 1 }, (_, i) => i * step).flatMap((at) => [
    line(x(at), y(0), x(at), y(1)),
    word([x(at), y(0) + 18], `${at}`, 'text-anchor="middle"'),
  ]);
  const dots = rows.flatMap(({ way, speed, written }) => [
    `<circle cx="${x(speed.writesTimes).toFixed(1)}" cy="${y(written.agreement).toFixed(1)}" r="5" fill="#2f6f9f"/>`,
    word([x(speed.writesTimes) + 9, y(written.agreement) - 7], nameOfWay(way)),
  ]);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    word([16, 24], "Speed and nearness to the full model", 'font-size="15" font-weight="bold"'),
    ...shares,
    ...times,
    word([width / 2, height - 8], "writes, times the full model alone", 'text-anchor="middle"'),
    ...dots,
    "</svg>\n",
  ].join("\n");
}
