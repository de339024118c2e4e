/**
 * `npm run report:make`: what the search over widths and two rounds are worth. Of the look-ups' full model, small ones of
 * the same size are made in three ways: widths searched, in one round and in two, and both widths by one ratio; all are
 * healed with equally many steps. How near each is to the full model on held-out look-ups goes into a table.
 *
 *     npm run report:make -- [--steps N] [--size N] [--seeds N] [--out DIR]
 *
 * Goes on in the same folder after an interruption. Needs a built addon.
 */

import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import CliTable3 from "cli-table3";
import { type EvaluationReport, evaluate, heal, makePair, prune } from "../../lib/index.js";
import { lookups } from "../../test/support/lookups.js";

const { values } = parseArgs({
  options: {
    steps: { type: "string", default: "150" },
    size: { type: "string", default: "290000" },
    seeds: { type: "string", default: "2" },
    out: { type: "string", default: "build/report-make" },
  },
});
const folder = resolve(values.out);
const model = fileURLToPath(new URL("../../test/fixtures/lookups-prefill.gguf", import.meta.url));
const data = join(folder, "lookups.jsonl");
const healing = { maxSteps: Number(values.steps), batchSize: 32, learningRate: 1e-3, checkpointInterval: 20 };
const table = new CliTable3({ head: ["way", "seed", "width x FFN", "parameters", "agreement", "KL, nats"] });

function tell(way: string, seed: number, widths: string, parameters: number, { rows }: EvaluationReport): void {
  const figures = rows.find(({ row }) => row === "two-stage")?.figures;
  const { value = Number.NaN, low = Number.NaN, high = Number.NaN } = figures?.agreementAfterFirst ?? {};
  const agreement = `${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
  table.push([way, seed, widths, parameters, agreement, figures?.divergenceAfterFirst?.value.toFixed(4) ?? ""]);
}

/** A small model of the same size by `prune`'s one ratio, healed and compared in the same way. */
async function byOneRatio(seed: number, parameters: number, work: string): Promise<void> {
  const [student, healed] = [join(folder, "ratio.gguf"), join(folder, `ratio-${seed}.gguf`)];
  const importance = join(work, "importance.gguf");
  const { after } = await prune({ model, out: student, targetSize: parameters, importance });
  const training = { full: model, student, data: join(work, "train.jsonl"), out: healed, resume: true, seed };
  if (!existsSync(healed)) await heal({ ...training, ...healing });
  const heldOut = join(work, "held-out.jsonl");
  const compared = { prefill: model, decode: healed, data: heldOut, contextSize: 256, timedTokens: 0 };
  const report = await evaluate({ ...compared, task: "responses" });
  tell("one ratio", seed, `${after.hiddenSize} x ${after.feedForwardSize}`, after.parameters, report);
}

await mkdir(folder, { recursive: true });
const lines = lookups(7, { count: 6000 }).map(({ prompt, answer }) => JSON.stringify({ prompt, response: answer }));
await writeFile(data, lines.join("\n"));
for (let seed = 1; seed <= Number(values.seeds); seed++)
  for (const rounds of [1, 2] as const) {
    const out = join(folder, `rounds-${rounds}-${seed}`);
    const asked = { targetSize: Number(values.size), window: 47, contextSize: 256, heldOut: 256 };
    const made = await makePair({ model, data, out, responses: "keep", healing, rounds, seed, ...asked });
    const { hiddenSize, feedForwardSize, parameters } = made.model;
    const widths = `${hiddenSize} x ${feedForwardSize}`;
    if (made.healed) tell(rounds === 1 ? "searched" : "searched, two rounds", seed, widths, parameters, made.healed);
    if (rounds === 1) await byOneRatio(seed, Math.round(parameters), join(out, "work"));
  }
process.stdout.write(`${table.toString()}\n`);
