/** What it costs to have the engine in a process of its own, where that costs most: with the fastest model there is. */

import { startProcess } from "../child-process.js";
import { undisturbed, waitForQuiet } from "../disturbance.js";
import { atLeast, atMost, type Row, row } from "../row.js";
import { median, pairwise } from "../statistics.js";
import type { HostingRequest, HostingTiming } from "./hosting-process.js";
import type { Bench } from "./measurement.js";
import { showMedian } from "./race.js";

/** Answers of the demo pair are over in a tenth of a second. */
const answersInRound = 20;

export async function measureHosting(bench: Bench): Promise<Row[]> {
  const { rounds } = bench.size;
  bench.log("host: answers of the demo pair from this process and from a host");
  const remote = startProcess<HostingRequest, HostingTiming>(new URL("./hosting-process.ts", import.meta.url));
  try {
    const answers = rounds > 1 ? answersInRound : 1;
    const { hostPid } = await remote.ask({ threads: 1, rounds: 0, answers });
    const pids = [remote.pid, hostPid];
    await waitForQuiet(pids);
    const { here, host, chunkMicroseconds } = await undisturbed(pids, () =>
      remote.ask({ threads: 1, rounds, answers }),
    );
    const section = "host";
    const rates = pairwise(host.rate, here.rate);
    const firsts = pairwise(host.first, here.first);
    return [
      row({
        ...{ section, name: "decode: demo pair in a host vs in the same process", unit: "ratio", rounds: rates },
        value: median(rates),
        target: atLeast(0.97),
        detail: `${showMedian(host.rate)} and ${showMedian(here.rate)} tokens/s, one thread`,
      }),
      row({
        ...{ section, name: "time to the first token: demo pair in a host vs in the same process", unit: "ratio" },
        value: median(firsts),
        detail: `${showMedian(host.first)} and ${showMedian(here.first)} ms`,
        rounds: firsts,
      }),
      row({
        ...{ section, name: "processor time of the app for a chunk from a host", unit: "ms" },
        value: median(chunkMicroseconds) / 1000,
        target: atMost(0.03),
        detail: `${showMedian(chunkMicroseconds)} microseconds`,
        rounds: chunkMicroseconds,
      }),
    ];
  } finally {
    await remote.close();
  }
}
