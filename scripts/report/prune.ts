/**
 * `npm run report:prune`: what importance is worth. The look-ups' full model is pruned at three ratios, keeping the most
 * important channels, random ones and the least important ones, with and without compensation of the norms; the loss of
 * each on text that the calibration did not see goes into a table, a JSON file and an SVG plot.
 *
 *     npm run report:prune -- [--out DIR]
 *
 * Needs a built addon.
 */

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import CliTable3 from "cli-table3";
import { loadPair, measureImportance, type PruneOptions, prune } from "../../lib/index.js";
import { lookups } from "../../test/support/lookups.js";
import { lossPlot } from "./loss-plot.js";

export interface LossRow {
  readonly ratio: number;
  readonly keeps: string;
  readonly compensated: boolean;
  readonly parameters: number;
  /** Nats a token on held-out text, of every seed that was drawn. */
  readonly losses: readonly number[];
}

const ratios = [0.1, 0.25, 0.45];
const seeds = [1, 2, 3, 4, 5];
const fromHere = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/**
 * Tables with their question and its answer, as the model was trained on. All of one length, so that a window of the text
 * is one look-up.
 */
const textOf = (seed: number, count: number): string =>
  lookups(seed, { count: 4 * count })
    .filter(({ answer }) => answer.trim().split(" ").length === 3)
    .slice(0, count)
    .map(({ prompt, answer }) => prompt + answer)
    .join("");

/** Tokens of a look-up with the BOS token that every window begins with. */
async function windowTokens(model: string): Promise<number> {
  await using pair = await loadPair({ prefill: { model }, gpu: false });
  return pair.tokenize(textOf(1, 1), { addSpecial: true }).length;
}

async function measure(folder: string): Promise<{ rows: LossRow[]; before: number }> {
  const model = fromHere("../../test/fixtures/lookups-prefill.gguf");
  const importance = join(folder, "importance.gguf");
  const window = await windowTokens(model);
  const calibration = join(folder, "calibration.txt");
  const heldOut = join(folder, "held-out.txt");
  await writeFile(calibration, textOf(1, 512));
  await writeFile(heldOut, textOf(2, 128));
  await measureImportance({ model, text: calibration, out: importance, window, gpu: false });

  const rows: LossRow[] = [];
  let before = Number.NaN;
  const loss = async (ratio: number, options: Partial<PruneOptions>) => {
    const out = join(folder, "pruned.gguf");
    const common = { model, out, importance, text: heldOut, window, quantize: "f32", multiple: 1, gpu: false } as const;
    const result = await prune({ ...common, hidden: ratio, ffn: ratio, ...options });
    if (!result.loss) throw new Error("no loss was measured");
    before = result.loss.before;
    return { loss: result.loss.after, parameters: result.after.parameters };
  };
  for (const ratio of ratios)
    for (const compensate of [false, true]) {
      const add = (keeps: string, measured: readonly { readonly loss: number; readonly parameters: number }[]) =>
        rows.push({
          ratio,
          keeps,
          compensated: compensate,
          parameters: measured[0]?.parameters ?? 0,
          losses: measured.map((one) => one.loss),
        });
      add("important (signed mean)", [await loss(ratio, { compensate })]);
      add("important (mean of absolutes)", [await loss(ratio, { compensate, statistic: "absolute" })]);
      const random = [];
      for (const seed of seeds) random.push(await loss(ratio, { compensate, select: "random", seed }));
      add("random", random);
      add("least important", [await loss(ratio, { compensate, select: "unimportant" })]);
    }
  return { rows, before };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

function toTable(rows: readonly LossRow[], before: number): string {
  const table = new CliTable3({
    head: ["ratio", "keeps", "norms", "parameters", "loss (nats a token)"],
    style: { head: [], border: [] },
  });
  table.push(["0", "everything", "", "", before.toFixed(3)]);
  for (const { ratio, keeps, compensated, parameters, losses } of rows) {
    const spread = losses.length > 1 ? ` (${Math.min(...losses).toFixed(3)} to ${Math.max(...losses).toFixed(3)})` : "";
    const norms = compensated ? "compensated" : "sliced";
    table.push([`${ratio}`, keeps, norms, parameters.toLocaleString("en"), mean(losses).toFixed(3) + spread]);
  }
  return table.toString();
}

const { values } = parseArgs({ options: { out: { type: "string", default: fromHere("../../docs/reports") } } });
const out = resolve(values.out);
const folder = await mkdtemp(join(tmpdir(), "overfill-report-"));
try {
  const { rows, before } = await measure(folder);
  await mkdir(out, { recursive: true });
  await writeFile(join(out, "prune.json"), `${JSON.stringify({ before, rows }, undefined, 2)}\n`);
  await writeFile(join(out, "prune.svg"), lossPlot(rows, before));
  console.log(toTable(rows, before));
  console.log(`prune.json and prune.svg are in ${out}`);
} finally {
  await rm(folder, { recursive: true });
}
