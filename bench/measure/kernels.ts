/** The package's matrix kernels against ggml's, on the same models in the same process, and against the machine's limits. */

import { existsSync } from "node:fs";
import { rename, stat } from "node:fs/promises";
import { quantize } from "../../lib/prune/index.js";
import { startProcess } from "../child-process.js";
import { undisturbed, waitForQuiet } from "../disturbance.js";
import type { ModelFile } from "../models.js";
import { atLeast, atMost, type Row, row, type Target } from "../row.js";
import type { ModelShape } from "../shapes.js";
import { median, pairwise } from "../statistics.js";
import type { KernelsRequest, KernelsTiming } from "./kernels-process.js";
import { type MachineLimits, measureLimits } from "./limits.js";
import type { Bench } from "./measurement.js";
import { madeUpTokens } from "./race.js";

const reads = [2, 4, 5, 8, 16];
const types = ["q8_0", "q4_0", "q4_k_m", "f16"] as const;
type KernelType = (typeof types)[number];

/** How much faster a prompt is to be read. */
const promptTargets: Readonly<Partial<Record<KernelType, Target>>> = {
  q8_0: atLeast(1.6),
  q4_0: atLeast(1.4),
  q4_k_m: atLeast(1.4),
};

export async function measureKernels(bench: Bench): Promise<Row[]> {
  const { shapes } = bench.size;
  bench.log("kernels: the machine's limits");
  await waitForQuiet();
  const limits = await measureLimits(bench);
  const rows: Row[] = [];
  for (const type of types) {
    bench.log(`kernels: ${type}`);
    const prefill = await modelOf(bench, shapes.prefill, type);
    // The pruned widths are no multiples of 256.
    const decode = await modelOf(bench, shapes.decode, type === "q4_k_m" ? "q4_0" : type);
    rows.push(...toRows(bench, type, prefill, limits, await time(bench, prefill, decode)));
  }
  return rows;
}

async function time({ threads, size }: Bench, prefill: ModelFile, decode: ModelFile): Promise<KernelsTiming> {
  const remote = startProcess<KernelsRequest, KernelsTiming>(new URL("./kernels-process.ts", import.meta.url));
  try {
    await waitForQuiet([remote.pid]);
    const { prompts, decode: answer } = size.kernels;
    const tokens = madeUpTokens(Math.max(...prompts), size.shapes.prefill.nVocab);
    const models = { prefill: prefill.path, decode: decode.path };
    return await undisturbed([remote.pid], () =>
      remote.ask({ ...models, threads, rounds: size.rounds, prompts, reads, answer, tokens }),
    );
  } finally {
    await remote.close();
  }
}

/** q4_k_m is made from q8_0 by the package's own quantiser: what the weights are does not matter to speed. */
async function modelOf(bench: Bench, shape: ModelShape, type: KernelType): Promise<ModelFile> {
  if (type !== "q4_k_m") return bench.model({ shape, weightType: type });
  const from = await bench.model({ shape, weightType: "q8_0" });
  const path = from.path.replace("q8_0", type);
  if (!existsSync(path)) {
    await quantize({ model: from.path, out: `${path}.new`, type, allowRequantize: true });
    await rename(`${path}.new`, path);
  }
  return { path, sizeBytes: (await stat(path)).size };
}

function toRows(
  { size }: Bench,
  type: KernelType,
  file: ModelFile,
  limits: MachineLimits,
  { instructions, ours, ggml }: KernelsTiming,
): Row[] {
  const section = "kernels";
  const what = type;
  const used = instructions === false ? "ggml's own kernels were used" : instructions;
  const faster = (name: string, times: readonly number[], others: readonly number[], target?: Target): Row => {
    const rounds = pairwise(others, times);
    const detail = `${median(times).toFixed(1)} ms vs ${median(others).toFixed(1)}; ${used}`;
    return row({ section, name, value: median(rounds), unit: "ratio", ...(target && { target }), detail, rounds });
  };
  const target = promptTargets[type];
  const rows = size.kernels.prompts.map((n, i) =>
    faster(
      `${what}: a prompt of ${n} tokens, speed vs ggml's kernels`,
      ours.prompts[i] ?? [],
      ggml.prompts[i] ?? [],
      target,
    ),
  );
  rows.push(
    faster(`${what}: a token of the decode model, speed vs ggml's kernels`, ours.decode, ggml.decode, atLeast(0.95)),
  );
  rows.push(faster(`${what}: a token that the prefill model writes, speed vs ggml's kernels`, ours.alone, ggml.alone));
  for (const [i, n] of reads.entries())
    if (n > 1)
      rows.push(
        faster(`${what}: ${n} tokens at once, speed vs ggml's kernels`, ours.reads[i] ?? [], ggml.reads[i] ?? []),
      );
  const five = median(ours.reads[reads.indexOf(5)] ?? []) / median(ours.alone);
  const costs = reads.map((n, i) => `${n}: ${(median(ours.reads[i] ?? []) / median(ours.alone)).toFixed(2)}`);
  rows.push(
    row({
      section,
      name: `${what}: 5 tokens at once vs one that is written`,
      value: five,
      unit: "ratio",
      ...(type !== "f16" && { target: atMost(1.25) }),
      detail: `tokens: cost; ${costs.join(", ")}`,
    }),
  );
  // The table of embeddings is the output's as well, and of a prompt only the last token needs that.
  const bytesPerSecond = file.sizeBytes / (median(ours.alone) / 1000);
  rows.push(
    row({
      section,
      name: `${what}: weights read a second by a token vs a plain read`,
      value: bytesPerSecond / limits.readBytesPerSecond,
      unit: "ratio",
      ...(type !== "f16" && { target: atLeast(0.8) }),
      detail: `${(bytesPerSecond / 1e9).toFixed(1)} of ${(limits.readBytesPerSecond / 1e9).toFixed(1)} GB/s`,
    }),
  );
  const [short = 0] = size.kernels.prompts;
  if (limits.operationsPerSecond > 0 && type !== "f16") {
    const operations = 2 * short * layerWeights(size.shapes.prefill);
    const perSecond = operations / (median(ours.prompts[0] ?? []) / 1000);
    rows.push(
      row({
        section,
        name: `${what}: operations of a prompt's products a second, attention and all else included, vs the peak`,
        value: perSecond / limits.operationsPerSecond,
        unit: "ratio",
        target: atLeast(0.6),
        detail: `${(perSecond / 1e9).toFixed(0)} of ${(limits.operationsPerSecond / 1e9).toFixed(0)} GOP/s`,
      }),
    );
  }
  return rows;
}

const layerWeights = ({ nLayers, nEmbd, nFf, nHeads, nKvHeads, headSize }: ModelShape) =>
  nLayers * (nEmbd * headSize * (2 * nHeads + 2 * nKvHeads) + 3 * nEmbd * nFf);
