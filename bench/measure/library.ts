/** What the package costs before it does anything: its import, and the way to a loaded demo pair. */

import { waitForQuiet } from "../disturbance.js";
import { type Row, row } from "../row.js";
import { median } from "../statistics.js";
import { runFresh } from "./fresh-process.js";
import type { Bench } from "./measurement.js";

interface Cost {
  readonly ms: number;
  readonly residentBytes: number;
}

const starts = ["nothing", "overfill", "node-llama-cpp", "demo-pair"] as const;

export async function measureLibrary(bench: Bench): Promise<Row[]> {
  const rounds = bench.size.starts;
  bench.log("library: imports and the demo pair, each in fresh processes");
  const costs = new Map(starts.map((what) => [what, [] as Cost[]]));
  for (let round = 0; round < rounds; round++) {
    await waitForQuiet();
    for (const what of starts) costs.get(what)?.push(await runFresh<Cost>("import-cost.mjs", what));
  }

  const ms = (what: (typeof starts)[number]) => (costs.get(what) ?? []).map((cost) => cost.ms);
  const megabytes = (what: (typeof starts)[number]) =>
    median((costs.get(what) ?? []).map((cost) => cost.residentBytes)) / 1e6;
  const bare = megabytes("nothing");
  const time = (name: string, what: (typeof starts)[number]): Row =>
    row({
      section: "library",
      name,
      value: median(ms(what)),
      unit: "ms",
      detail: `of ${rounds} starts`,
      rounds: ms(what),
    });
  const memory = (name: string, what: (typeof starts)[number]): Row =>
    row({
      section: "library",
      name,
      value: megabytes(what) - bare,
      unit: "MB",
      detail: `over ${bare.toFixed(1)} MB of Node alone`,
    });
  return [
    time("import overfill: time", "overfill"),
    memory("import overfill: resident memory", "overfill"),
    time("import node-llama-cpp: time", "node-llama-cpp"),
    memory("import node-llama-cpp: resident memory", "node-llama-cpp"),
    time("import overfill and load the demo pair: time", "demo-pair"),
    memory("import overfill and load the demo pair: resident memory", "demo-pair"),
  ];
}
