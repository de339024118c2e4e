/**
 * Pruning at full size: the peak memory beyond the mapped model file, and the speed of the rewrite against a plain copy of
 * as many bytes.
 */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { mulberry32 } from "../../test/support/random.js";
import { waitForQuiet } from "../disturbance.js";
import { copyToDisk } from "../plain-copy.js";
import { atLeast, atMost, type Row, row } from "../row.js";
import { median, pairwise } from "../statistics.js";
import { runFresh } from "./fresh-process.js";
import type { Bench } from "./measurement.js";

interface FreshPrune {
  /** The peak of memory that no file stands behind. */
  readonly anonymousBytes: number;
  readonly calibrateMs: number;
  readonly writeMs: number;
  readonly fileBytes: number;
  readonly tokens: number;
}

const windowTokens = 256;

export async function measurePrune(bench: Bench): Promise<Row[]> {
  const { shapes, rounds, calibrationWindows } = bench.size;
  const model = await bench.model({ shape: shapes.prefill, weightType: "q8_0" });
  const folder = await mkdtemp(join(dirname(model.path), "prune-"));
  try {
    const text = join(folder, "calibration.txt");
    await writeFile(text, randomText(calibrationWindows, shapes.prefill.nVocab));
    const run = (settings: object) =>
      runFresh<FreshPrune>(
        "prune-model.mjs",
        JSON.stringify({ model: model.path, threads: bench.threads, ...settings }),
      );
    const importance = join(folder, "importance.gguf");

    bench.log("prune: calibration and rewrite");
    const whole = await run({ text, saveImportance: importance, out: join(folder, "whole.gguf"), type: "q8_0" });

    const rows = [memoryRow(whole)];
    for (const type of ["q8_0", "f16"]) {
      bench.log(`prune: rewrite to ${type} against a copy`);
      const writes: number[] = [];
      const copies: number[] = [];
      let bytes = 0;
      for (let round = 0; round < rounds; round++) {
        const out = join(folder, "pruned.gguf");
        const copy = join(folder, "copy.gguf");
        // Each gets the memory back that the system held for its file of the round before, and no more than that.
        await rm(out, { force: true });
        await waitForQuiet([]);
        const pruned = await run({ importance, out, type });
        writes.push(pruned.writeMs);
        bytes = pruned.fileBytes;
        await rm(copy, { force: true });
        copies.push(copyToDisk(out, copy));
      }
      rows.push(speedRow(type, bytes, writes, copies));
    }
    return rows;
  } finally {
    await rm(folder, { recursive: true });
  }
}

function memoryRow({ anonymousBytes, tokens, calibrateMs }: FreshPrune): Row {
  return row({
    section: "prune",
    name: "peak memory of calibration and rewrite, beyond the mapped file",
    value: anonymousBytes / 1e6,
    unit: "MB",
    target: atMost(2500),
    detail: `${tokens} tokens of calibration in ${(calibrateMs / 1000).toFixed(0)} s`,
  });
}

function speedRow(type: string, bytes: number, writes: readonly number[], copies: readonly number[]): Row {
  const ratios = pairwise(copies, writes);
  const speed = (times: readonly number[]) => (bytes / 1e6 / median(times)).toFixed(2);
  return row({
    section: "prune",
    name: `rewrite of q8_0 to ${type} vs a copy of as many bytes`,
    value: median(ratios),
    unit: "ratio",
    target: atLeast(0.5),
    detail: `${speed(writes)} vs ${speed(copies)} GB/s for ${(bytes / 1e9).toFixed(2)} GB`,
    rounds: ratios,
  });
}

/** Words of the benchmark's vocabulary, one token each; its first 259 tokens are no words. */
function randomText(windows: number, nVocab: number): string {
  const random = mulberry32(1);
  return Array.from({ length: windows * windowTokens }, () => Math.floor(random() * (nVocab - 259)).toString(36)).join(
    " ",
  );
}
