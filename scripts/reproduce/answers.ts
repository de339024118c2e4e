/** What models answer: every question of every family, greedily, as lines of a file. */

import { readFileSync } from "node:fs";
import { loadPair } from "../../lib/index.js";
import { questionsOf } from "./data.js";
import { type Job, put } from "./jobs.js";
import type { Family, Task } from "./tasks.js";

/** Whose reading the answer is written on: the full model's, or the writer's own. */
export interface Contestant {
  /** Reads; absent: the writer reads itself. */
  readonly reader?: Job;
  /** Of the reader. */
  readonly adapter?: Job;
  readonly writer: Job;
  /** Tokens after which the reader reads again. Absent: never. */
  readonly refreshInterval?: number;
}

export type TestSplit = "seen" | "heldOut";
export const testSplits: readonly TestSplit[] = ["seen", "heldOut"];

/** A line of the file. */
export interface Answer {
  readonly split: TestSplit;
  readonly family: Family;
  readonly right: string;
  readonly given: string;
}

/** Longer than any right answer, all of which are a line: one that does not end is a wrong one. */
const maxTokens = 96;

export function answersJob(
  name: string,
  { reader, adapter, writer, refreshInterval }: Contestant,
  questions: number,
  contextSize: number,
  out: string,
): Job {
  return {
    name,
    out,
    needs: [reader, adapter, writer].filter((job) => job !== undefined),
    options: { questions, contextSize, refreshInterval, maxTokens },
    run: async (signal, onProgress) => {
      await using pair = await loadPair({
        prefill: { model: (reader ?? writer).out, ...(adapter && { adapters: [{ file: adapter.out }] }) },
        decode: { model: writer.out },
        contextSize,
        threads: 1,
        gpu: false,
        signal,
      });
      const lines: string[] = [];
      const asked = testSplits.flatMap((split) => questionsOf(split, questions).map((task) => ({ split, task })));
      for (const { split, task } of asked) {
        const answer: Answer = { split, family: task.family, right: task.answer, given: await ask(task) };
        lines.push(`${JSON.stringify(answer)}\n`);
        onProgress(lines.length / asked.length);
      }
      await put(out, lines.join(""));

      async function ask({ prompt }: Task): Promise<string> {
        await using session = await pair.createSession();
        const options = { temperature: 0, maxTokens, stop: "\n", signal, ...(refreshInterval && { refreshInterval }) };
        return (await session.generate(prompt, options)).text;
      }
    },
  };
}

export function readAnswers(job: Job): Answer[] {
  const lines = readFileSync(job.out, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Answer);
}
