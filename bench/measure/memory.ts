/** Peak memory of a whole process against what it cannot do without: the files' weights and one KV cache. */

import type { ModelFile } from "../models.js";
import { atMost, type Row, row } from "../row.js";
import { runFresh } from "./fresh-process.js";
import type { Bench } from "./measurement.js";

interface PeakMemory {
  readonly peakBytes: number;
  /** After the import. */
  readonly importedBytes: number;
  /** The peak when the pair was loaded. */
  readonly loadedBytes: number;
  /** Of all KV caches. */
  readonly kvBytes: number;
}

interface Case {
  readonly name: string;
  readonly files: readonly ModelFile[];
  readonly handover: "auto" | "translate";
}

const promptTokens = 128;

export async function measureMemory(bench: Bench): Promise<Row[]> {
  const { prefill: full, decode: pruned } = bench.size.shapes;
  const { contextSize } = bench.size;
  const prefill = await bench.model({ shape: full, weightType: "q8_0" });
  const decode = await bench.model({ shape: pruned, weightType: "q8_0" });
  const quantised = await bench.model({ shape: full, weightType: "q4_0" });
  const hybrid = bench.size.shapes.hybrid;
  const hybridFiles = [
    await bench.model({ shape: hybrid, weightType: "q8_0" }),
    await bench.model({ shape: hybrid, weightType: "q4_0" }),
  ];
  const cases: readonly Case[] = [
    { name: "two-stage, shared", files: [prefill, decode], handover: "auto" },
    { name: "prefill model alone", files: [prefill], handover: "auto" },
    { name: "q8_0 -> q4_0, shared", files: [prefill, quantised], handover: "auto" },
    { name: "hybrid q8_0 -> q4_0, shared", files: hybridFiles, handover: "auto" },
  ];
  const rows: Row[] = [];
  for (const { name, files, handover } of cases) {
    bench.log(`memory: ${name}`);
    const [first, second] = files;
    const settings = {
      prefill: first?.path,
      decode: second?.path,
      threads: bench.threads,
      contextSize,
      promptTokens,
      handover,
    };
    const memory = await runFresh<PeakMemory>("peak-memory.mjs", JSON.stringify(settings));
    rows.push(toRow(`${name}, ${contextSize} tokens of context`, files, memory));
  }
  return rows;
}

function toRow(name: string, files: readonly ModelFile[], memory: PeakMemory): Row {
  const fileBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  return row({
    section: "memory",
    name: `peak memory: ${name}`,
    value: memory.peakBytes / (fileBytes + memory.kvBytes),
    unit: "ratio",
    target: atMost(1.05),
    detail:
      `${mb(memory.peakBytes)}, of files ${mb(fileBytes)}, KV cache ${mb(memory.kvBytes)}, ` +
      `Node and package ${mb(memory.importedBytes)}; ${mb(memory.loadedBytes)} when loaded`,
  });
}
