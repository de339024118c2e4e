/** Charts as SVG text, drawn by echarts without a browser. Slow to load: import what draws when there is something to draw. */

import { CustomChart, LineChart, ScatterChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { type EChartsCoreOption, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { visible } from "./visible.js";

use([CustomChart, LineChart, ScatterChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

/** What echarts calls an option: series, axes, titles. */
export type Chart = EChartsCoreOption;

/** A title with what it is about below it. */
export const chartTitle = (text: string, subtext = "") => ({
  text,
  subtext,
  left: 16,
  top: 8,
  itemGap: 6,
  textStyle: { fontSize: 15 },
});

/** What stands below the middle of an axis. */
export const axisName = (name: string) => ({ name, nameLocation: "middle", nameGap: 28 });

/** The chart on white, of so many pixels. */
export function renderChart(chart: Chart, width: number, height: number): string {
  const drawing = init(null, null, { renderer: "svg", ssr: true, width, height });
  try {
    // Names come from model files, and XML holds no control characters.
    drawing.setOption({ animation: false, backgroundColor: "#ffffff", ...visible(chart) });
    return `${drawing.renderToSVGString()}\n`;
  } finally {
    drawing.dispose();
  }
}
