/** Tables on stdout: cli-table3 without its own colours, so that styleOf alone decides. */

import Table from "cli-table3";

/** Columns named in `right` stand flush right. An empty `head` draws none. */
export function renderTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string {
  const columns = Math.max(head.length, ...rows.map((row) => row.length));
  const table = new Table({
    head: [...head],
    colAligns: Array.from({ length: columns }, (_, column) => (right.includes(column) ? "right" : "left")),
    // A line below the head only: one between all rows makes a long table hard to read.
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) table.push([...row]);
  return table.toString();
}

/** Two columns without a frame, for values that may be long: words wrap at `width` columns, under their first line. */
export function renderList(rows: readonly (readonly [label: string, value: string])[], width = 100): string {
  const indent = Math.max(...rows.map(([label]) => label.length)) + 4;
  return rows
    .map(([label, value]) => `  ${label.padEnd(indent - 2)}${wrap(value, width - indent, " ".repeat(indent))}`)
    .join("\n");
}

/** Breaks a text between words, into lines of `width` at most. */
export function wrap(text: string, width: number, indent = ""): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join(`\n${indent}`);
}
