/**
 * `npm run report:readme`: measures what the README tells with `bench`, on two pairs. The reproduction's pair was trained,
 * and says how near the ways of writing are; models in the paper's size have random weights, and say how fast they are.
 * Writes docs/reports/readme.json, and docs/reports/readme.svg, which the README shows.
 *
 *     npm run report:readme -- [--only NAME,...] [--models DIR] [--out DIR]
 *
 * With `--only`, the other figures stay what they were. Needs a built addon and, for all of it, five minutes on two cores
 * with nothing else to do. The models in the paper's size, 4.3 GB, are written to `--models` on first use.
 */

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ensureModel } from "../../../bench/models.js";
import { fullShapes } from "../../../bench/shapes.js";
import { type BenchOptions, type BenchReport, bench, demoPair, quantize } from "../../../lib/index.js";
import { mulberry32 } from "../../../test/support/random.js";
import { drawTask, families } from "../../reproduce/tasks.js";
import { checked, type Figures, type Measured, type Measurement, measurements } from "./figures.js";
import { readmePlot } from "./plot.js";

const fromHere = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const seed = 28;
const questionsOfEach = 8;

/** Held-out questions, as many of each family. */
function questions(): string[] {
  const random = mulberry32(seed);
  return families.flatMap((family) =>
    Array.from({ length: questionsOfEach }, () => drawTask(random, "heldOut", family).prompt),
  );
}

function measuredOf({ prompts, promptTokens, maxTokens, rounds, threads, rows }: BenchReport): Measured {
  return { prompts, promptTokens, maxTokens, rounds, threads, rows };
}

async function measure(name: Measurement, models: string, scratch: string): Promise<Measured> {
  const run = async (options: BenchOptions) => measuredOf(await bench({ gpu: false, ...options }));
  const ofPaper = (which: "prefill" | "decode") =>
    ensureModel({ shape: fullShapes[which], weightType: "q8_0" }, models, (message) => console.error(message));
  const stories = { prompts: questions(), maxExamples: 1000, acceptances: [checked.acceptance] } as const;
  switch (name) {
    case "stories":
      return run({ ...demoPair, ...stories, rounds: 9 });
    case "quantisedStories": {
      const out = join(scratch, "q4_0.gguf");
      const { model } = demoPair.prefill;
      await quantize({ model, out, type: "q4_0" });
      return run({ prefill: { model }, decode: { model: out }, ...stories, rounds: 3 });
    }
    case "pruned": {
      const prefill = (await ofPaper("prefill")).path;
      const decode = (await ofPaper("decode")).path;
      const acceptances = [checked.acceptance];
      return run({ prefill, decode, promptLengths: [256], acceptances, maxTokens: 24, rounds: 5 });
    }
  }
}

const { values } = parseArgs({
  options: {
    only: { type: "string", default: measurements.join() },
    models: { type: "string", default: fromHere("../../../build/bench") },
    out: { type: "string", default: fromHere("../../../docs/reports") },
  },
});
const out = resolve(values.out);
const file = join(out, "readme.json");
const asked = values.only.split(",").map((name) => {
  const known = measurements.find((one) => one === name);
  if (!known) throw new Error(`--only knows ${measurements.join(", ")}, and no ${name}`);
  return known;
});

const scratch = await mkdtemp(join(tmpdir(), "overfill-readme-"));
try {
  await mkdir(out, { recursive: true });
  let figures = (existsSync(file) ? JSON.parse(await readFile(file, "utf8")) : {}) as Figures;
  for (const name of asked) {
    console.error(`measuring ${name}`);
    const measured = await measure(name, resolve(values.models), scratch);
    const machine = { processor: cpus()[0]?.model.trim() ?? "unknown", node: process.version };
    figures = { ...figures, machine, [name]: measured };
    await writeFile(file, `${JSON.stringify(figures, undefined, 2)}\n`);
  }
  const missing = measurements.filter((name) => figures[name] === undefined);
  if (missing.length > 0) console.error(`not measured yet: ${missing.join(", ")}`);
  else await writeFile(join(out, "readme.svg"), readmePlot(figures));
} finally {
  await rm(scratch, { recursive: true });
}
