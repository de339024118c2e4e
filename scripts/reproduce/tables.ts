/** Tables as Markdown and as text for the terminal. */

import CliTable3 from "cli-table3";

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export function toMarkdown(tables: readonly Table[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return tables
    .map(({ title, head, rows }) =>
      [`**${title}**`, "", line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n"),
    )
    .join("\n\n");
}

export function toText(tables: readonly Table[]): string {
  return tables
    .map(({ title, head, rows }) => {
      const table = new CliTable3({ head: [...head], style: { head: [], border: [] } });
      for (const row of rows) table.push([...row]);
      return `${title}\n${table.toString()}`;
    })
    .join("\n\n");
}
