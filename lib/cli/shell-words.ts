/** Commands that people are told to run, and commands that they name. */

import { UsageError } from "./exit.js";

/** A file's name as a shell takes it. */
export const quoted = (file: string): string => (/^[\w./:\\-]+$/.test(file) ? file : `"${file}"`);

/** How this program was called, for commands to copy: npm tells what it was started by. */
export const ownCommand = (): string => (process.env.npm_command === "exec" ? "npx overfill" : "overfill");

/** A command to copy, with each flag in a line of its own where they do not fit into one. */
export function commandLines(command: string, flags: readonly string[], { indent = "  ", width = 80 } = {}): string {
  const line = `${indent}${[command, ...flags].join(" ")}`;
  if (line.length <= width) return line;
  const goOn = process.platform === "win32" ? "^" : "\\";
  return `${indent}${[command, ...flags].join(` ${goOn}\n${indent}  `)}`;
}

/**
 * The words of a command: between spaces, but what stands in quotes of either kind is one. A backslash is a letter as any,
 * since Windows has it in paths.
 */
export function splitWords(command: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (const [, quote, inside, open, plain] of command.matchAll(/(["'])(.*?)\1|(["'])|([^\s"']+)|\s+/gs)) {
    if (open !== undefined) throw new UsageError(`a quote is open: ${command}`);
    if (quote !== undefined || plain !== undefined) word = (word ?? "") + (inside ?? plain ?? "");
    else {
      if (word !== undefined) words.push(word);
      word = undefined;
    }
  }
  return word === undefined ? words : [...words, word];
}
