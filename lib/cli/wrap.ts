/** Breaking text into lines. Loads no package: `--help` needs it. */

import { stripVTControlCharacters } from "node:util";

const lengthOf = (text: string): number => stripVTControlCharacters(text).length;

/**
 * Breaks a text between words, into lines of `width` at most; a longer word has a line of its own.
 *
 * @param widthOf the columns that a text takes, where it may hold wide characters
 */
export function wrap(text: string, width: number, indent = "", widthOf = lengthOf): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || widthOf(last) + 1 + widthOf(word) > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join(`\n${indent}`);
}

/** Breaks a command to copy before its flags, as a shell takes it: with a backslash at the end of a line. */
function breakCommand(line: string, width: number): string {
  if (lengthOf(line) <= width) return line;
  const [first = "", ...pieces] = line.split(/ (?=--?[a-z]|> )/);
  const lines = [first];
  for (const piece of pieces) {
    const last = lines.at(-1) ?? "";
    // Two columns stay for the backslash.
    if (lengthOf(last) + 1 + lengthOf(piece) <= width - 2) lines[lines.length - 1] = `${last} ${piece}`;
    else lines.push(`    ${piece}`);
  }
  return lines.map((part, i) => (i === lines.length - 1 ? part : `${part} \\`)).join("\n");
}

/** Fits paragraphs to a width; of lines that are indented, only commands that are too long are broken. */
export function reflow(text: string, width: number): string {
  const paragraphs = text.split("\n\n").map((paragraph) => {
    const lines: string[] = [];
    let open = false;
    for (const line of paragraph.split("\n")) {
      const isFree = line !== "" && !line.startsWith(" ") && !line.endsWith(":");
      if (isFree && open) lines[lines.length - 1] = `${lines.at(-1)} ${line}`;
      else lines.push(line);
      open = isFree;
    }
    return lines.map((line) => (line.startsWith(" ") ? breakCommand(line, width) : wrap(line, width))).join("\n");
  });
  return paragraphs.join("\n\n");
}
