/** Times the rows of the tasks that generate nothing by themselves: short answers to the first prompts. */

import type { Pair } from "../engine/index.js";
import type { Evaluation } from "./evaluation.js";
import type { RowMemory, RowSpeed } from "./report.js";
import type { EvaluatedRow } from "./rows.js";
import { SpeedMeter } from "./speed-meter.js";

const mostPrompts = 4;

/** Greedy, so that what is written is the same each time. */
export const greedy = (row: EvaluatedRow) => ({ temperature: 0, ...(typeof row === "object" && row) });

export async function timeRows(
  evaluation: Evaluation,
  examples: readonly { readonly prompt: readonly number[] }[],
): Promise<{ readonly speeds: readonly (RowSpeed | undefined)[]; readonly memory: readonly RowMemory[] }> {
  const { timedTokens, signal } = evaluation.options;
  const prompts = timedTokens === 0 ? [] : examples.slice(0, mostPrompts).map(({ prompt }) => prompt);
  const speeds: (RowSpeed | undefined)[] = [];
  const memory = await evaluation.visitRows(async (row, index, pair) => {
    const meter = new SpeedMeter();
    const write = async (prompt: readonly number[], maxTokens: number) =>
      writeAlone(pair, prompt, { ...greedy(row), ignoreEos: true, maxTokens, ...(signal && { signal }) });
    // The first answer after loading pays for more than itself.
    if (prompts[0]) await write(prompts[0], 2);
    for (const [i, prompt] of prompts.entries()) {
      evaluation.tell("timing", i, prompts.length, row);
      meter.add(await write(prompt, timedTokens), row);
    }
    speeds[index] = meter.speed;
  });
  return { speeds, memory };
}

/** An answer in a session of its own. */
export async function writeAlone(
  pair: Pair,
  prompt: readonly number[],
  options: Parameters<Awaited<ReturnType<Pair["createSession"]>>["generate"]>[1],
) {
  const session = await pair.createSession();
  try {
    return await session.generate(prompt, options);
  } finally {
    await session.dispose();
  }
}
