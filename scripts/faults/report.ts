/** The tables of a run, as text. */

import type { InjectionReport } from "./injection/run-injection.js";
import type { LostReport } from "./lost/run-lost.js";
import type { MutantReport } from "./mutants/run-mutants.js";

const totalOf = (refused: Readonly<Record<string, number>>) => Object.values(refused).reduce((sum, n) => sum + n, 0);

const codesOf = (refused: Readonly<Record<string, number>>) =>
  Object.entries(refused)
    .sort(([, a], [, b]) => b - a)
    .map(([code, n]) => `${code} ${n}`)
    .join(", ");

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [head, ...rows.map((row) => row.map(String))];
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) =>
      i === 0 || i === row.length - 1 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0),
    );
  return cells.map((row) => line(row).join("  ").trimEnd()).join("\n");
}

export function mutantTable({ counts }: MutantReport): string {
  const rows = counts.map(({ format, read, taken, refused, findings }) => [
    ...[format, read, taken, totalOf(refused), findings, codesOf(refused)],
  ]);
  return table(["format", "read", "taken", "refused", "findings", "codes"], rows);
}

export function injectionTable({ counts }: InjectionReport): string {
  const rows = counts
    .filter(({ calls, findings }) => calls > 0 || findings > 0)
    .map(({ operation, failure, calls, runs, done, refused, beyond, findings }) => [
      ...[`${operation}, ${failure}`, calls, runs, done, totalOf(refused), beyond, findings, codesOf(refused)],
    ]);
  return table(["operation, failure", "calls", "runs", "done", "refused", "beyond us", "findings", "codes"], rows);
}

/** How often each scene's sides were lost, with all harms together. */
export function timesOfScenes({ counts }: LostReport): readonly { readonly name: string; readonly times: number }[] {
  const names = [...new Set(counts.map(({ scene }) => scene))];
  const timesOf = (name: string) =>
    counts.filter(({ scene }) => scene === name).reduce((sum, { times }) => sum + times, 0);
  return names.map((name) => ({ name, times: timesOf(name) }));
}

const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1);

export function lostTable({ counts, memory }: LostReport): string {
  const rows = counts.map(({ scene, harm, times, right, refused, gone, slowestMs, findings }) => [
    ...[`${scene}, ${harm}`, times, right, totalOf(refused), gone, Math.round(slowestMs), findings, codesOf(refused)],
  ]);
  const held = memory.map(({ scene, before, after }) => [
    ...[`${scene}, ${after.name}`, before.descriptors, after.descriptors, before.threads, after.threads],
    ...[mebibytes(before.heapBytes), mebibytes(after.heapBytes)],
    ...[mebibytes(before.residentBytes), mebibytes(after.residentBytes)],
  ]);
  const heads = ["descriptors", "after", "threads", "after", "heap MiB", "after", "resident MiB", "after"];
  return [
    table(["scene, harm", "times", "right", "refused", "gone", "slowest ms", "findings", "codes"], rows),
    ...(held.length > 0 ? [table(["process that lived through it", ...heads], held)] : []),
  ].join("\n\n");
}
