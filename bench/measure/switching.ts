/**
 * The switch at several prompt lengths, shared and copied. The models have the KV cache of the benchmark's pair and next
 * to nothing else: what a switch costs depends on the cache alone, and reading a long prompt with the large model would
 * take the greater part of an hour on two cores.
 */

import { startProcess } from "../child-process.js";
import { waitForQuiet } from "../disturbance.js";
import { lessThan, type Row, row } from "../row.js";
import { median } from "../statistics.js";
import type { Bench } from "./measurement.js";
import { madeUpTokens } from "./race.js";
import type { SwitchRequest, SwitchTiming } from "./switch-process.js";

export async function measureSwitch(bench: Bench): Promise<Row[]> {
  const shape = bench.shapes.cache;
  const sizes = bench.small ? [512, 4096] : [512, 4096, 16_384];
  const prefill = await bench.model({ shape, weightType: "q8_0" });
  const decode = await bench.model({ shape, weightType: "q4_0" });
  const rows: Row[] = [];
  for (const handover of ["share", "translate"] as const) {
    bench.log(`switch: ${handover === "share" ? "shared" : "copied"}, up to ${sizes.at(-1)} tokens of prompt`);
    const remote = startProcess<SwitchRequest, SwitchTiming[]>(new URL("./switch-process.ts", import.meta.url));
    try {
      await waitForQuiet([remote.pid]);
      const timings = await remote.ask({
        prefill: prefill.path,
        decode: decode.path,
        handover,
        threads: bench.threads,
        sizes,
        repeats: 5,
        tokens: madeUpTokens(sizes.at(-1) ?? 0, shape.nVocab),
      });
      rows.push(...timings.map(toRow));
    } finally {
      await remote.close();
    }
  }
  return rows;
}

function toRow({ nTokens, implementation, bytes, ms, nativeMs }: SwitchTiming): Row {
  const value = median(ms);
  const shared = implementation === "share";
  // A shared switch that moved bytes has missed, however fast it was.
  const met = shared ? { target: lessThan(1) } : {};
  const moved = shared
    ? `${bytes} bytes moved`
    : `${(bytes / 1e6).toFixed(0)} MB moved, ${(bytes / 1e6 / value).toFixed(2)} GB/s`;
  const made = row({
    section: "switch",
    name: `switch: ${shared ? "share" : "copy"}, ${nTokens} tokens`,
    value,
    unit: "ms",
    detail: `${moved}; ${median(nativeMs).toFixed(3)} ms of it native`,
    rounds: ms,
    ...met,
  });
  return shared && bytes !== 0 ? { ...made, met: false } : made;
}
