/**
 * What it costs to ask a pair over HTTP instead of in the same process: to the first token, and for each one after it. With
 * `--llama-server`, also how the pair's server and llama.cpp's own one with the decode model alone write for the same clients.
 */

import { startProcess } from "../child-process.js";
import { openLlamaServer } from "../contestants/llama-server.js";
import { undisturbed, waitForQuiet } from "../disturbance.js";
import { type AnswerTimes, askOverHttp } from "../http-answer.js";
import { atMost, type Row, row } from "../row.js";
import { median, pairwise } from "../statistics.js";
import type { Bench } from "./measurement.js";
import { madeUpTokens, showMedian } from "./race.js";
import type { ServingAnswer, ServingRequest, ServingRound } from "./serving-process.js";

const section = "server";
/** Clients at a time, and so sessions of a server. */
const clientCounts = [1, 4] as const;
const maxSessions = 4;

export async function measureServing(bench: Bench): Promise<Row[]> {
  const { shapes, race, rounds } = bench.size;
  bench.log(`server: prompts of ${race.prompt} tokens, answers of ${race.decode}`);
  const prefill = await bench.model({ shape: shapes.prefill, weightType: "q8_0" });
  const decode = await bench.model({ shape: shapes.decode, weightType: "q8_0" });
  const contextSize = race.prompt + race.decode + 32;
  const remote = startProcess<ServingRequest, ServingAnswer>(new URL("./serving-process.ts", import.meta.url));
  const newPrompt = promptMaker(race.prompt, shapes.prefill.nVocab);
  const round = async (): Promise<ServingRound> => {
    const told = await remote.ask({ kind: "round", direct: newPrompt(), served: newPrompt(), tokens: race.decode });
    if ("url" in told) throw new Error("a round has times");
    return told;
  };
  try {
    const { threads } = bench;
    const loaded = await remote.ask({
      ...{ kind: "load", prefill: prefill.path, decode: decode.path, threads, contextSize, maxSessions },
    });
    if (!("url" in loaded)) throw new Error("models that are served have an address");
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
        ...{ section, name: `${name}, over HTTP vs in the same process`, value: median(ratios), unit: "ratio" },
        ...{ target: atMost(1.02), detail: `${showMedian(served)} and ${showMedian(direct)} ms`, rounds: ratios },
      });
    };
    const rows = [compare("time to the first token", "first"), compare("time between tokens", "token")];
    if (!bench.llamaServer) return rows;
    await using other = await openLlamaServer(bench.llamaServer, {
      ...{ model: decode.path, threads, contextSize, maxSessions },
    });
    const sides = [
      { url: loaded.url, pid: remote.pid },
      { url: other.url, pid: other.pid },
    ] as const;
    return [...rows, ...(await compareServers(bench, sides, newPrompt))];
  } finally {
    await remote.close();
  }
}

/** Each prompt differs from the others in its first token, so that nothing of it was read before. */
function promptMaker(length: number, nVocab: number): () => readonly number[] {
  const [first = 0, ...rest] = madeUpTokens(length, nVocab);
  let count = 0;
  return () => [first + count++, ...rest];
}

interface Side {
  readonly url: string;
  readonly pid: number;
}

/** Prompts are read before: what is compared is the writing, of one answer and of several at once. */
async function compareServers(
  bench: Bench,
  sides: readonly [Side, Side],
  newPrompt: () => readonly number[],
): Promise<Row[]> {
  const { rounds, race } = bench.size;
  const pids = sides.map(({ pid }) => pid);
  const rows: Row[] = [];
  for (const clients of clientCounts) {
    const prompts = Array.from({ length: clients }, newPrompt);
    const ask = async (url: string, tokens: number) => {
      const begin = performance.now();
      await Promise.all(prompts.map((prompt) => askOverHttp(url, prompt, tokens)));
      return performance.now() - begin;
    };
    for (const { url } of sides) await ask(url, 2);
    const times: [number[], number[]] = [[], []];
    for (let n = 1; n <= rounds; n++) {
      bench.log(`server: ${clients} at once with llama-server, round ${n} of ${rounds}`);
      // Forth and back: a drift of the machine's speed then favours nobody.
      for (const which of n % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
        const { url } = sides[which];
        const [short, long] = await undisturbed(pids, async () => [await ask(url, 2), await ask(url, race.decode)]);
        times[which].push((long - short) / (race.decode - 2));
      }
    }
    const ratios = pairwise(times[0], times[1]);
    rows.push(
      row({
        section,
        name: `time between tokens of ${clients} at once, the pair vs llama-server on the decode model`,
        ...{ value: median(ratios), unit: "ratio", rounds: ratios },
        detail: `${showMedian(times[0])} and ${showMedian(times[1])} ms`,
      }),
    );
  }
  return rows;
}
