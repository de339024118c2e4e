/** The records of a data file, one after the other, for one task: lines that make none are told and skipped. */

import { createError } from "../../errors/create-error.js";
import type { BadLines } from "./bad-lines.js";
import { readLines, readWholeText } from "./data-lines.js";
import { parseRecord } from "./record-shapes.js";
import type { TaskRecord } from "./records.js";
import { type EvaluationTask, serves, usualTask } from "./tasks.js";

export interface NumberedRecord {
  /** Of the file, from 1. */
  readonly line: number;
  readonly record: TaskRecord;
}

export interface OpenData {
  /** The one that was asked for, or that of the first record. */
  readonly task: EvaluationTask;
  readonly records: AsyncIterable<NumberedRecord>;
  /** Closes the file, if it was not read to its end. */
  close(): Promise<void>;
}

/**
 * Reads as far as the first record, so that a file that cannot be used is refused before a model is loaded.
 *
 * Rejects with ERR_FILE_READ_FAILED, with ERR_DATA_INVALID (a file without a usable line, in another encoding, or with
 * too many bad lines) and with the signal's reason.
 */
export async function openData(
  path: string,
  asked: EvaluationTask | undefined,
  badLines: BadLines,
  signal?: AbortSignal,
): Promise<OpenData> {
  const all = readRecords(path, asked, badLines, signal);
  const first = await all.next();
  if (first.done) throw nothingUsable(path, badLines);
  const close = async () => {
    await all.return(undefined);
  };
  return { task: asked ?? usualTask(first.value.record), records: startingWith(first.value, all), close };
}

/** The error for a file in which no line can be used. */
export function nothingUsable(path: string, { all }: BadLines): Error {
  const [first] = all;
  const why = first === undefined ? "it is empty" : `line ${first.line}: ${first.reason}`;
  const line = first === undefined ? {} : { line: first.line };
  return createError("ERR_DATA_INVALID", `${path} has no line that can be used: ${why}`, { path, ...line });
}

async function* startingWith(
  first: NumberedRecord,
  rest: AsyncIterable<NumberedRecord>,
): AsyncGenerator<NumberedRecord> {
  yield first;
  yield* rest;
}

async function* readRecords(
  path: string,
  asked: EvaluationTask | undefined,
  badLines: BadLines,
  signal: AbortSignal | undefined,
): AsyncGenerator<NumberedRecord> {
  let task = asked;
  for await (const { line, record, problem } of readAll(path, signal)) {
    if (record) task ??= usualTask(record);
    if (record && task !== undefined && serves(record, task)) yield { line, record };
    else badLines.add(line, problem ?? `a line of this kind cannot be used for the task "${task}"`);
  }
}

interface ReadLine {
  readonly line: number;
  readonly record?: TaskRecord;
  readonly problem?: string;
}

/** A file named *.txt is one plain text. */
async function* readAll(path: string, signal: AbortSignal | undefined): AsyncGenerator<ReadLine> {
  if (/\.txt$/i.test(path)) {
    const text = await readWholeText(path, signal);
    if (text !== "") yield { line: 1, record: { kind: "text", text } };
    return;
  }
  for await (const { number, text, problem } of readLines(path, signal)) {
    if (text === undefined) yield { line: number, problem: problem ?? "it cannot be read" };
    else yield { line: number, ...parseRecord(text) };
  }
}
