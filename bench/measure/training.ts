/**
 * How much of the machine a step of training uses: its operations against multiply-adds in registers alone, and against the
 * products of its shapes alone. What a step does besides (norms, softmax, the optimiser, reading data) counts as lost.
 */

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { mulberry32 } from "../../test/support/random.js";
import { startProcess } from "../child-process.js";
import { undisturbed, waitForQuiet } from "../disturbance.js";
import { atLeast, type Row, row } from "../row.js";
import type { ModelShape } from "../shapes.js";
import type { TrainedCase } from "../sizes.js";
import { median } from "../statistics.js";
import type { Bench } from "./measurement.js";
import type { TrainingRequest, TrainingTiming } from "./training-process.js";

interface ProductLimits {
  /** Multiply-adds in registers, as two operations; 0: not known for this processor. */
  readonly registers: number;
  readonly products: number;
  readonly forward: number;
  readonly ofInput: number;
  readonly ofWeight: number;
}

export async function measureTraining(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const one of bench.size.training) rows.push(...(await measureCase(bench, one)));
  return rows;
}

async function measureCase(bench: Bench, one: TrainedCase): Promise<Row[]> {
  const { shape, tokens, batch, steps } = one;
  bench.log(`train: ${one.name}`);
  const student = await bench.model({ shape, weightType: "f32" });
  const folder = await mkdtemp(join(dirname(student.path), "train-"));
  const remote = startProcess<TrainingRequest, TrainingTiming>(new URL("./training-process.ts", import.meta.url));
  try {
    const data = join(folder, "texts.jsonl");
    await writeFile(data, randomTexts(batch * steps, tokens, shape.nVocab));
    const request = { student: student.path, data, out: join(folder, "trained.gguf"), batch, steps };
    const limits: ProductLimits[] = [];
    const speeds: number[] = [];
    for (let round = 0; round < bench.size.rounds; round++) {
      await waitForQuiet([remote.pid]);
      limits.push(await measureProducts(bench, one));
      const { tokensPerSecond } = await undisturbed([remote.pid], () =>
        remote.ask({ ...request, threads: bench.threads }),
      );
      speeds.push(tokensPerSecond);
    }
    return toRows(one, limits, speeds);
  } finally {
    await remote.close();
    await rm(folder, { recursive: true });
  }
}

/** Matrices by columns and rows, and how many of them there are. The table of embeddings is the output's as well. */
const matricesOf = ({ nLayers, nEmbd, nFf, nHeads, nKvHeads, headSize, nVocab }: ModelShape) =>
  [
    [nEmbd, nHeads * headSize, nLayers],
    [nEmbd, nKvHeads * headSize, 2 * nLayers],
    [nHeads * headSize, nEmbd, nLayers],
    [nEmbd, nFf, 2 * nLayers],
    [nFf, nEmbd, nLayers],
    [nEmbd, nVocab, 1],
  ] as const;

/** Tokens of a batch that is computed at once, at most. */
const microBatch = 2048;

async function measureProducts({ nativeTrain, threads }: Bench, one: TrainedCase): Promise<ProductLimits> {
  const tokens = Math.min(microBatch, one.tokens * one.batch);
  const matrices = matricesOf(one.shape).map((sizes) => sizes.join("x"));
  const { stdout } = await promisify(execFile)(nativeTrain.program, [String(threads), String(tokens), ...matrices]);
  const [registers = 0, products = 0, forward = 0, ofInput = 0, ofWeight = 0] = stdout.trim().split(" ").map(Number);
  return { registers, products, forward, ofInput, ofWeight };
}

/** Forward, the gradient of the input and that of the weight; a token attends to half of its text on average. */
function operationsOfToken({ shape, tokens }: TrainedCase): number {
  const weights = matricesOf(shape).reduce((sum, [columns, rows, times]) => sum + columns * rows * times, 0);
  const attention = shape.nLayers * shape.nHeads * shape.headSize * 2 * ((tokens + 1) / 2);
  return 3 * 2 * (weights + attention);
}

function toRows(one: TrainedCase, limits: readonly ProductLimits[], speeds: readonly number[]): Row[] {
  const section = "train";
  const ofKind = (kind: keyof ProductLimits) => median(limits.map((each) => each[kind]));
  const registers = ofKind("registers");
  const operations = speeds.map((speed) => speed * operationsOfToken(one));
  const giga = (value: number) => (value / 1e9).toFixed(0);
  const against = (kind: keyof ProductLimits) => operations.map((each, i) => each / (limits[i]?.[kind] ?? 0));
  const speed = `${median(speeds).toFixed(0)} tokens/s, ${giga(median(operations))} GFLOP/s`;
  const products = row({
    section,
    name: `${one.name}: a step vs the products of its shapes alone`,
    value: median(against("products")),
    unit: "ratio",
    detail: `${speed}; products: ${giga(ofKind("products"))}`,
    rounds: against("products"),
  });
  if (registers === 0) return [products];
  const kinds = `forward ${giga(ofKind("forward"))}, inputs' gradients ${giga(ofKind("ofInput"))}, weights' ${giga(ofKind("ofWeight"))}`;
  return [
    row({
      section,
      name: `${one.name}: a step vs multiply-adds in registers`,
      value: median(against("registers")),
      unit: "ratio",
      target: atLeast(0.6),
      detail: `${speed} of ${giga(registers)}`,
      rounds: against("registers"),
    }),
    products,
    row({
      section,
      name: `${one.name}: the products of its shapes alone vs multiply-adds in registers`,
      value: median(limits.map((each) => each.products / each.registers)),
      unit: "ratio",
      detail: `GFLOP/s: ${kinds}`,
    }),
  ];
}

/** Words of the benchmark's vocabulary, one token each; its first 259 tokens are no words. A text may begin and end with a token more. */
function randomTexts(count: number, tokens: number, nVocab: number): string {
  const random = mulberry32(3);
  const word = () => Math.floor(random() * (nVocab - 259)).toString(36);
  const lines = Array.from({ length: count }, () =>
    JSON.stringify({ text: Array.from({ length: tokens - 2 }, word).join(" ") }),
  );
  return `${lines.join("\n")}\n`;
}
