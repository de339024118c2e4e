/** What it costs to ask a pair over HTTP instead of in the same process: to the first token, and for each one after it. */

import { startProcess } from "../child-process.js";
import { undisturbed, waitForQuiet } from "../disturbance.js";
import { atMost, type Row, row } from "../row.js";
import { median, pairwise } from "../statistics.js";
import type { Bench } from "./measurement.js";
import { madeUpTokens, showMedian } from "./race.js";
import type { AnswerTimes, ServingRequest, ServingRound } from "./serving-process.js";

export async function measureServing(bench: Bench): Promise<Row[]> {
  const { shapes, race, rounds } = bench.size;
  bench.log(`server: prompts of ${race.prompt} tokens, answers of ${race.decode}`);
  const prefill = await bench.model({ shape: shapes.prefill, weightType: "q8_0" });
  const decode = await bench.model({ shape: shapes.decode, weightType: "q8_0" });
  const remote = startProcess<ServingRequest, ServingRound | null>(new URL("./serving-process.ts", import.meta.url));
  const [firstToken = 0, ...rest] = madeUpTokens(race.prompt, shapes.prefill.nVocab);
  let nPrompts = 0;
  const newPrompt = () => [firstToken + nPrompts++, ...rest];
  const round = async (): Promise<ServingRound> => {
    const told = await remote.ask({ kind: "round", direct: newPrompt(), served: newPrompt(), tokens: race.decode });
    if (!told) throw new Error("a round has times");
    return told;
  };
  try {
    await remote.ask({
      ...{ kind: "load", prefill: prefill.path, decode: decode.path, threads: bench.threads },
      contextSize: race.prompt + race.decode + 32,
    });
    await waitForQuiet([remote.pid]);
    // The first round is for graphs and connections that are made.
    await round();
    const told: ServingRound[] = [];
    for (let n = 1; n <= rounds; n++) {
      bench.log(`server: round ${n} of ${rounds}`);
      told.push(await undisturbed([remote.pid], round));
    }
    const compare = (name: string, part: keyof AnswerTimes) => {
      const [served, direct] = [told.map((one) => one.served[part]), told.map((one) => one.direct[part])];
      const ratios = pairwise(served, direct);
      return row({
        section: "server",
        name: `${name}, over HTTP vs in the same process`,
        value: median(ratios),
        unit: "ratio",
        target: atMost(1.02),
        detail: `${showMedian(served)} and ${showMedian(direct)} ms`,
        rounds: ratios,
      });
    };
    return [compare("time to the first token", "first"), compare("time between tokens", "token")];
  } finally {
    await remote.close();
  }
}
