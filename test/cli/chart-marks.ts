/** What can be counted in a chart's SVG. */

/** Lines of a colour, without those of the legend. */
export function linesOf(svg: string, color: string): number {
  return [...svg.matchAll(new RegExp(`<path [^>]*fill="none"[^>]*stroke="${color}"`, "g"))].length;
}

/** Where the dots are, series by series; without a colour those of all. */
export function dotPlaces(svg: string, color = "#\\w+"): { readonly x: number; readonly y: number }[] {
  // echarts draws a dot as a circle of radius 1 that is scaled and moved.
  const dot = new RegExp(
    `<path d="M1 0A1 1 [^"]*" transform="matrix\\([^)]*,([-\\d.]+),([-\\d.]+)\\)" fill="${color}" ecmeta_series_index`,
    "g",
  );
  return [...svg.matchAll(dot)].map(([, x, y]) => ({ x: Number(x), y: Number(y) }));
}

export const dotsOf = (svg: string, color?: string): number => dotPlaces(svg, color).length;
