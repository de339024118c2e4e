/** The rows as a table for the terminal and as JSON, with what they were measured on. */

import { availableParallelism, loadavg } from "node:os";
import Table from "cli-table3";
import { formatTarget, formatValue, type Row } from "./row.js";

export interface Report {
  /** `full`, `small` or `smoke`. */
  readonly size: string;
  readonly machine: {
    readonly platform: string;
    readonly cores: number;
    readonly threads: number;
    readonly node: string;
    /** Tasks that wanted a core in the minute before; anything above 1 disturbs. */
    readonly loadBefore: number;
  };
  readonly seconds: number;
  /** Measurements during which other programs were busy, after three repetitions. */
  readonly disturbed: number;
  readonly rows: readonly Row[];
}

export function describeMachine(threads: number): Report["machine"] {
  return {
    platform: `${process.platform}-${process.arch}`,
    cores: availableParallelism(),
    threads,
    node: process.versions.node,
    loadBefore: loadavg()[0] ?? 0,
  };
}

export function toTable(rows: readonly Row[]): string {
  const table = new Table({ head: ["what", "came to", "target", "met", "from"], style: { head: [], border: [] } });
  for (const { name, value, unit, target, met, detail } of rows)
    table.push([
      name,
      formatValue(value, unit),
      target ? formatTarget(target, unit) : "",
      met === undefined ? "" : met ? "yes" : "NO",
      detail,
    ]);
  return table.toString();
}

export function toJson(report: Report): string {
  return `${JSON.stringify(report, (_key, value) => (typeof value === "number" ? Number(value.toPrecision(6)) : value), 2)}\n`;
}
