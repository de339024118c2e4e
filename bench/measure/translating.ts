/**
 * The translate implementations on caches of random values, by a native program: the CPU against memcpy of as many bytes
 * by as many threads, linear maps against ggml's mul_mat, and the ggml graph on the CPU against the CPU implementation.
 */

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { waitForQuiet } from "../disturbance.js";
import { atLeast, type Row, row, type Target } from "../row.js";
import { median } from "../statistics.js";
import type { Bench } from "./measurement.js";

interface Timing {
  readonly name: string;
  readonly against: string;
  /** Bytes read and written, or floating-point operations. */
  readonly amount: number;
  readonly seconds: readonly number[];
  readonly otherSeconds: readonly number[];
}

/** Shares of the speed of what is compared with. */
const targets: Readonly<Record<string, Target>> = {
  "same type": atLeast(0.8),
  "f16 to q8_0, not rotated": atLeast(0.4),
  "f16 to q8_0, rotated": atLeast(0.4),
  "V to transposed V": atLeast(0.4),
  "V from transposed V": atLeast(0.4),
  "linear maps": atLeast(0.7),
};

export async function measureTranslate(bench: Bench): Promise<Row[]> {
  const [heads, headSize] = [8, 128];
  const { layers, tokens } = bench.size.translate;
  bench.log(`translate: ${layers} layers of ${heads} heads of ${headSize}, ${tokens} tokens`);
  const { program, libraries } = bench.nativeTranslate;
  await waitForQuiet([]);
  const sizes = [layers, heads, headSize, tokens, bench.threads, bench.size.rounds].map(String);
  const child = spawn(program, [libraries, ...sizes], { stdio: ["ignore", "pipe", "ignore"] });
  const rows: Row[] = [];
  for await (const line of createInterface(child.stdout)) rows.push(toRow(JSON.parse(line) as Timing));
  if (child.exitCode !== 0 && child.exitCode !== null) throw new Error("the timing program failed");
  if (rows.length === 0) throw new Error("the timing program measured nothing");
  return rows;
}

function toRow({ name, against, amount, seconds, otherSeconds }: Timing): Row {
  const ratios = seconds.map((value, i) => (otherSeconds[i] ?? 0) / value);
  const speed = (times: readonly number[]) => (amount / 1e9 / median(times)).toFixed(2);
  const unit = name.startsWith("linear maps") ? "GFLOP/s" : "GB/s";
  const target = against === "cpu" ? atLeast(0.5) : targets[name];
  return row({
    section: "translate",
    name: `translate: ${name} vs ${against}`,
    value: median(ratios),
    unit: "ratio",
    detail: `${speed(seconds)} vs ${speed(otherSeconds)} ${unit}`,
    rounds: ratios,
    ...(target ? { target } : {}),
  });
}
