/** Tables and lists that fit the terminal; cli-table3 without its own colours, so that styleOf alone decides. */

import Table from "cli-table3";
import stringWidth from "string-width";
import { columnsOf } from "./terminal.js";
import { wrap } from "./wrap.js";

/** What a frame takes: a line and a space on either side of each column, and the last line. */
const frameWidth = (columns: number): number => 3 * columns + 1;
/** A text column is not made narrower: words would fall to pieces. */
const narrowest = 12;

/**
 * Columns named in `right` stand flush right. An empty `head` draws none. Where the table would be wider than `width`,
 * its cells are wrapped; where even that does not help, every row becomes a list.
 *
 * @param width columns of the terminal; Infinity for a file or a pipe
 */
export function renderTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
  width = columnsOf(process.stdout),
): string {
  const count = Math.max(head.length, ...rows.map((row) => row.length));
  const columns = Array.from({ length: count }, (_, i) => [head[i] ?? "", ...rows.map((row) => row[i] ?? "")]);
  const widths = fitColumns(columns, right, width - frameWidth(count));
  if (!widths) return renderRecords(head, rows, width);
  const table = new Table({
    head: head.map((cell, i) => wrapCell(cell, widths[i] ?? 0)),
    colAligns: columns.map((_, i) => (right.includes(i) ? "right" : "left")),
    // A line below the head only: one between all rows makes a long table hard to read.
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) table.push(row.map((cell, i) => wrapCell(cell, widths[i] ?? 0)));
  return table.toString();
}

/** A width for each column, together at most `room`; undefined if there is no room for their longest words. */
function fitColumns(
  columns: readonly (readonly string[])[],
  right: readonly number[],
  room: number,
): readonly number[] | undefined {
  const longest = (cells: readonly string[], separator: RegExp) =>
    Math.max(0, ...cells.flatMap((cell) => cell.split(separator)).map(stringWidth));
  const widths = columns.map((cells) => longest(cells, /\n/));
  const words = columns.map((cells) => longest(cells, /\s/));
  // A number or a styled word is not cut; a path may be.
  const pieces = columns.map((cells, i) => {
    const word = words[i] ?? 0;
    return right.includes(i) || cells.some(isStyled) ? word : Math.min(word, narrowest);
  });
  // Words are cut only where breaking between them is not enough.
  for (const least of [words, pieces]) shrink(widths, least, room);
  if (sum(widths) > room) return undefined;
  return widths;
}

/** Takes columns from the widest, down to `least` of each, until all of them have room. */
function shrink(widths: number[], least: readonly number[], room: number): void {
  for (let excess = sum(widths) - room; excess > 0; excess--) {
    const spare = widths.map((width, i) => (width > (least[i] ?? 0) ? width : 0));
    const widest = spare.indexOf(Math.max(...spare));
    if (!spare[widest]) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

const isStyled = (cell: string): boolean => cell.includes("\u001b");

/** Breaks a cell between words, and a word that is wider than the column anywhere. */
function wrapCell(cell: string, width: number): string {
  return cell
    .split("\n")
    .map((line) => {
      if (stringWidth(line) <= width || isStyled(line)) return line;
      const words = line.split(" ").flatMap((word) => cut(word, width));
      return wrap(words.join(" "), width, "", stringWidth);
    })
    .join("\n");
}

/** A word in pieces of at most `width` columns. */
function cut(word: string, width: number): string[] {
  if (stringWidth(word) <= width) return [word];
  const pieces: string[] = [];
  let [piece, taken] = ["", 0];
  for (const character of word) {
    const more = stringWidth(character);
    if (piece !== "" && taken + more > width) {
      pieces.push(piece);
      [piece, taken] = ["", 0];
    }
    piece += character;
    taken += more;
  }
  return [...pieces, piece];
}

/** Every row as a list: its first cell above, the others below it behind the names of their columns. */
function renderRecords(head: readonly string[], rows: readonly (readonly string[])[], width: number): string {
  return rows
    .map(([first = "", ...others]) => {
      const title = [head[0], first].filter(Boolean).join(" ");
      const values = others.flatMap((cell, i) => {
        const value = cell.replaceAll("\n", " ");
        const line = [head[i + 1], value].filter(Boolean).join(": ");
        return value === "" ? [] : [`  ${wrapCell(line, width - 4).replaceAll("\n", "\n    ")}`];
      });
      return [wrapCell(title, width), ...values].join("\n");
    })
    .join("\n");
}

/** Two columns without a frame, for values that may be long: words wrap at `width` columns, under their first line. */
export function renderList(
  rows: readonly (readonly [label: string, value: string])[],
  width = Math.min(100, columnsOf(process.stdout)),
): string {
  const longest = Math.max(...rows.map(([label]) => label.length));
  // On a narrow terminal the value stands below its label.
  const isNarrow = longest + 4 >= width / 2;
  const indent = isNarrow ? 4 : longest + 4;
  return rows
    .map(([label, value]) => {
      const wrapped = wrap(value, width - indent, " ".repeat(indent));
      return isNarrow ? `  ${label}\n    ${wrapped}` : `  ${label.padEnd(indent - 2)}${wrapped}`;
    })
    .join("\n");
}

/** Sentences, broken between words where the terminal ends. */
export function prose(text: string, width = columnsOf(process.stdout)): string {
  return text
    .split("\n")
    .map((line) => wrap(line, width))
    .join("\n");
}
