/** What it costs to ask a pair over HTTP instead of in the same process: to the first token, and for each one after it. */

import { startProcess } from "../child-process.js";
import { undisturbed, waitForQuiet } from "../disturbance.js";
import { atMost, type Row, row } from "../row.js";
import { median, pairwise } from "../statistics.js";
import type { Bench } from "./measurement.js";
import { madeUpTokens, showMedian } from "./race.js";
import type { AnswerTimes, ServingRequest, ServingTiming } from "./serving-process.js";

export async function measureServing(bench: Bench): Promise<Row[]> {
  const { shapes, race, rounds } = bench.size;
  bench.log(`server: prompts of ${race.prompt} tokens, answers of ${race.decode}`);
  const prefill = await bench.model({ shape: shapes.prefill, weightType: "q8_0" });
  const decode = await bench.model({ shape: shapes.decode, weightType: "q8_0" });
  const remote = startProcess<ServingRequest, ServingTiming>(new URL("./serving-process.ts", import.meta.url));
  try {
    await waitForQuiet([remote.pid]);
    const { direct, served } = await undisturbed([remote.pid], () =>
      remote.ask({
        prefill: prefill.path,
        decode: decode.path,
        threads: bench.threads,
        prompt: madeUpTokens(race.prompt, shapes.prefill.nVocab),
        tokens: race.decode,
        rounds,
      }),
    );
    const compare = (name: string, part: keyof AnswerTimes) => {
      const ratios = pairwise(served[part], direct[part]);
      return row({
        section: "server",
        name: `${name}, over HTTP vs in the same process`,
        value: median(ratios),
        unit: "ratio",
        target: atMost(1.02),
        detail: `${showMedian(served[part])} and ${showMedian(direct[part])} ms`,
        rounds: ratios,
      });
    };
    return [compare("time to the first token", "first"), compare("time between tokens", "token")];
  } finally {
    await remote.close();
  }
}
