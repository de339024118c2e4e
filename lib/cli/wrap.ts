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

/** Fits paragraphs to a width; lines that are indented, such as commands to copy, stay as they are. */
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
    return lines.map((line) => (line.startsWith(" ") ? line : wrap(line, width))).join("\n");
  });
  return paragraphs.join("\n\n");
}
