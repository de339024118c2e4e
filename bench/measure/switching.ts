/**
 * The shared switch at several prompt lengths. The models have the KV cache of the benchmark's pair and next
 * to nothing else: what a switch costs depends on the cache alone, and reading a long prompt with the large model would
 * take the greater part of an hour on two cores.
 */

import { startProcess } from "../child-process.js";
import { waitForQuiet } from "../disturbance.js";
import { lessThan, type Row, row } from "../row.js";
import type { ModelShape } from "../shapes.js";
import { median } from "../statistics.js";
import type { Bench } from "./measurement.js";
import { madeUpTokens } from "./race.js";
import type { SwitchRequest, SwitchTiming } from "./switch-process.js";

export const measureSwitch = (bench: Bench): Promise<Row[]> =>
  switchRows(bench, "switch", bench.size.shapes.cache, bench.size.switches);

/** Of one model at two quantisations, at each number of tokens. */
export async function switchRows(
  bench: Bench,
  section: string,
  shape: ModelShape,
  sizes: readonly number[],
): Promise<Row[]> {
  const prefill = await bench.model({ shape, weightType: "q8_0" });
  const decode = await bench.model({ shape, weightType: "q4_0" });
  bench.log(`${section}: shared switch, up to ${sizes.at(-1)} tokens of prompt`);
  const remote = startProcess<SwitchRequest, SwitchTiming[]>(new URL("./switch-process.ts", import.meta.url));
  try {
    await waitForQuiet([remote.pid]);
    const timings = await remote.ask({
      prefill: prefill.path,
      decode: decode.path,
      threads: bench.threads,
      sizes,
      repeats: bench.size.rounds,
      tokens: madeUpTokens(sizes.at(-1) ?? 0, shape.nVocab),
    });
    return timings.map((timing) => toRow(section, timing));
  } finally {
    await remote.close();
  }
}

function toRow(section: string, { nTokens, bytes, ms, nativeMs }: SwitchTiming): Row {
  const made = row({
    section,
    name: `${section === "switch" ? section : `${section} switch`}: share, ${nTokens} tokens`,
    value: median(ms),
    unit: "ms",
    detail: `${bytes} bytes moved; ${median(nativeMs).toFixed(3)} ms of it native`,
    rounds: ms,
    target: lessThan(1),
  });
  // A shared switch that moved bytes has missed, however fast it was.
  return bytes === 0 ? made : { ...made, met: false };
}
