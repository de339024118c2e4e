/** The ratios of a report as an SVG: a dot each, and a tick where its target is. */

import { renderChart } from "../lib/cli/chart.js";
import type { Report } from "./report.js";
import { formatTarget, formatValue, type Row } from "./row.js";

const colors = { met: "#2f7d5b", missed: "#c0563b", open: "#7a8794", target: "#222222" };
const rowHeight = 34;
const margin = { top: 56, bottom: 48, left: 480, right: 110 };

/** SVG text, or undefined if the report has no ratios. */
export function toSvg(report: Report): string | undefined {
  const rows = report.rows.filter((row) => row.unit === "ratio");
  if (rows.length === 0) return undefined;
  const height = margin.top + margin.bottom + rows.length * rowHeight;
  return renderChart(
    {
      title: {
        text: `overfill, ${report.size} benchmark: ratios and their targets`,
        subtext: `${report.machine.platform}, ${report.machine.threads} threads`,
        left: 16,
        top: 8,
        itemGap: 4,
        textStyle: { fontSize: 15 },
      },
      grid: margin,
      // Half and twice lie equally far from 1.
      xAxis: {
        type: "log",
        logBase: 2,
        min: ({ min }: { min: number }) => Math.min(0.5, 2 ** Math.floor(Math.log2(min))),
        splitLine: { lineStyle: { color: "#e6e6e6" } },
      },
      yAxis: {
        type: "category",
        inverse: true,
        data: rows.map((row) => row.name),
        axisLabel: { width: margin.left - 24, overflow: "break", fontSize: 12 },
        axisTick: { show: false },
      },
      series: [
        {
          type: "scatter",
          symbolSize: 12,
          data: rows.map((row, i) => ({ value: [row.value, i], itemStyle: { color: colorOf(row) } })),
          label: {
            show: true,
            position: "right",
            formatter: ({ dataIndex }: { dataIndex: number }) => labelOf(rows[dataIndex]),
          },
        },
        {
          type: "scatter",
          symbol: "rect",
          symbolSize: [3, 24],
          itemStyle: { color: colors.target },
          data: rows.flatMap((row, i) => (row.target ? [[row.target.value, i]] : [])),
        },
      ],
    },
    1060,
    height,
  );
}

const colorOf = ({ met }: Row): string => (met === undefined ? colors.open : met ? colors.met : colors.missed);

function labelOf(row: Row | undefined): string {
  if (!row) return "";
  const value = formatValue(row.value, row.unit);
  return row.target ? `${value}  (${formatTarget(row.target, row.unit)})` : value;
}
