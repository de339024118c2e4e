/**
 * `npm run bench`: speed and memory as ratios within one run.
 *
 *     npm run bench -- [--small | --smoke] [--only NAME]... [--llama-server] [--out DIR]
 *
 *     --small      models of a quarter of the size, shorter prompts
 *     --smoke      one short round of everything with the least models: shows that it runs, its figures mean nothing
 *     --only NAME  pair, quantisation, hybrid, batch, quality, kernels, sessions, server, host, remote, network, demo, switch, translate, memory, prune, train or library; may be repeated
 *     --llama-server  builds llama.cpp's server, which takes minutes, and compares the server with it
 *     --out DIR    where the JSON and the SVG go; bench/results if left out
 *
 * Needs a built addon, and a built dist/ for memory, prune and library. The models have random weights, are written on first
 * use into build/bench and stay there (8.4 GB; 2.1 GB with --small, 25 MB with --smoke).
 */

import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chooseThreads } from "../lib/internal/threads.js";
import { buildNative } from "./build-native.js";
import type { NativeProgram } from "./contestants/contestant.js";
import { disturbedMeasurements, tellOfDisturbance, tolerateDisturbance } from "./disturbance.js";
import { measureBatch } from "./measure/batching.js";
import { measureDemo, measureHybrid, measurePair, measureQuantisation } from "./measure/decoding.js";
import { measureHosting } from "./measure/hosting.js";
import { measureKernels } from "./measure/kernels.js";
import { measureLasting } from "./measure/lasting.js";
import { measureLibrary } from "./measure/library.js";
import type { Bench, Measurement } from "./measure/measurement.js";
import { measureMemory } from "./measure/memory.js";
import { measureNetwork } from "./measure/network.js";
import { measurePrune } from "./measure/pruning.js";
import { measureQuality } from "./measure/quality.js";
import { measureRemote } from "./measure/remote.js";
import { measureServing } from "./measure/serving.js";
import { measureSwitch } from "./measure/switching.js";
import { measureTraining } from "./measure/training.js";
import { measureTranslate } from "./measure/translating.js";
import { ensureModel } from "./models.js";
import { toSvg } from "./plot.js";
import { describeMachine, type Report, toJson, toTable } from "./report.js";
import type { Row } from "./row.js";
import { benchSizes } from "./sizes.js";

const measurements: Readonly<Record<string, Measurement>> = {
  library: measureLibrary,
  demo: measureDemo,
  pair: measurePair,
  quantisation: measureQuantisation,
  hybrid: measureHybrid,
  batch: measureBatch,
  quality: measureQuality,
  kernels: measureKernels,
  sessions: measureLasting,
  server: measureServing,
  host: measureHosting,
  remote: measureRemote,
  network: measureNetwork,
  switch: measureSwitch,
  translate: measureTranslate,
  memory: measureMemory,
  prune: measurePrune,
  train: measureTraining,
};

const fromHere = (path: string) => fileURLToPath(new URL(path, import.meta.url));

function readArguments() {
  const { values } = parseArgs({
    options: {
      small: { type: "boolean", default: false },
      smoke: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      "llama-server": { type: "boolean", default: false },
      out: { type: "string", default: fromHere("./results") },
    },
  });
  const unknown = values.only.find((name) => !(name in measurements));
  if (unknown !== undefined)
    throw new Error(`--only ${unknown}: expected one of ${Object.keys(measurements).join(", ")}`);
  return values;
}

async function main(): Promise<void> {
  const { small, smoke, only, out, "llama-server": withLlamaServer } = readArguments();
  const size = benchSizes[smoke ? "smoke" : small ? "small" : "full"];
  if (smoke) tolerateDisturbance();
  const begin = performance.now();
  const seconds = () => (performance.now() - begin) / 1000;
  const log = (message: string) => console.error(`${seconds().toFixed(0).padStart(5)} s  ${message}`);
  tellOfDisturbance(log);
  const built = new Map<string, NativeProgram>();
  const native = (name: string) => {
    if (!built.has(name)) log(`building ${name}, unless it was built before`);
    const program = built.get(name) ?? buildNative(name);
    built.set(name, program);
    return program;
  };
  const bench: Bench = {
    threads: chooseThreads().threads,
    size,
    // Only some measurements need it, and building it takes a minute or more.
    get nativeLoop() {
      return native("native-loop");
    },
    get nativeLimits() {
      return native("native-limits");
    },
    get nativeTrain() {
      return native("native-train");
    },
    get nativeTranslate() {
      return native("translate-bench");
    },
    get speculativeLoop() {
      return native("speculative");
    },
    get llamaServer() {
      return withLlamaServer ? native("llama-server") : undefined;
    },
    model: (spec) => ensureModel(spec, fromHere("../build/bench"), log),
    log,
  };
  const machine = describeMachine(bench.threads);

  const rows: Row[] = [];
  for (const [name, measure] of Object.entries(measurements))
    if (only.length === 0 || only.includes(name)) rows.push(...(await measure(bench)));

  const report: Report = {
    size: size.name,
    machine,
    seconds: seconds(),
    disturbed: disturbedMeasurements,
    rows,
  };
  const folder = resolve(out);
  await mkdir(folder, { recursive: true });
  const name = [report.size, ...only].join("-");
  await writeFile(join(folder, `${name}.json`), toJson(report));
  const svg = toSvg(report);
  if (svg) await writeFile(join(folder, `${name}.svg`), svg);
  console.log(toTable(rows));
  console.log(`${report.seconds.toFixed(0)} s; ${name}.json${svg ? ` and ${name}.svg are` : " is"} in ${folder}`);
}

await main();
