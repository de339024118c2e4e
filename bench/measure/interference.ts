/** Whether a long prompt holds running answers up: the time between their tokens with and without one being read beside them. */

import { startProcess } from "../child-process.js";
import { undisturbed, waitForQuiet } from "../disturbance.js";
import type { ModelFile } from "../models.js";
import { atMost, type Row, row } from "../row.js";
import { median, percentile } from "../statistics.js";
import type { InterferenceRequest, InterferenceTiming } from "./interference-process.js";
import type { Bench } from "./measurement.js";
import { madeUpTokens } from "./race.js";

export async function measureInterference(bench: Bench, prefill: ModelFile, decode: ModelFile): Promise<Row> {
  const { shapes, interference } = bench.size;
  const { prompt, answers, tokens } = interference;
  bench.log(`batch: ${answers} answers while a prompt of ${prompt} tokens is read`);
  const remote = startProcess<InterferenceRequest, InterferenceTiming>(
    new URL("./interference-process.ts", import.meta.url),
  );
  try {
    await waitForQuiet([remote.pid]);
    const timing = await undisturbed([remote.pid], () =>
      remote.ask({
        prefill: prefill.path,
        decode: decode.path,
        threads: bench.threads,
        contextSize: Math.max(prompt, 2 * tokens) + 256,
        answers,
        tokens,
        shortPrompt: madeUpTokens(16, shapes.prefill.nVocab),
        longPrompt: madeUpTokens(prompt, shapes.prefill.nVocab),
      }),
    );
    return toRow(bench, timing);
  } finally {
    await remote.close();
  }
}

function toRow({ size }: Bench, { undisturbedMs, disturbedMs, promptTokens, promptMs }: InterferenceTiming): Row {
  const { prompt, answers } = size.interference;
  const [usual, worst] = [median(undisturbedMs), percentile(disturbedMs, 99)];
  return row({
    section: "batch",
    name: `time between tokens: p99 while a prompt of ${prompt} tokens is read vs median without`,
    value: worst / usual,
    unit: "ratio",
    target: atMost(3),
    detail:
      `${worst.toFixed(1)} vs ${usual.toFixed(1)} ms of ${answers} answers (median beside the prompt ` +
      `${median(disturbedMs).toFixed(1)} ms); ${promptTokens} tokens of the prompt were read meanwhile, ` +
      `${((promptTokens * 1000) / promptMs).toFixed(1)} a second`,
  });
}
