/** Writes what says that a folder is a pair: the card for people, its picture, and `overfill.json`, which comes last. */

import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { pairFileName } from "../engine/pair-folder.js";
import type { EvaluationReport, MetricName, RowReport } from "../eval/index.js";
import { ownVersion } from "../internal/versions.js";
import type { Prepared } from "./preparation.js";
import type { MadePair } from "./results.js";
import { drawWays, nameOfWay } from "./score-plot.js";
import { put } from "./step-book.js";

/** Rejects with ERR_FILE_WRITE_FAILED. */
export async function writePairFolder(pair: MadePair, prepared: Prepared): Promise<void> {
  const { folder, source } = prepared;
  await put(join(folder, "card.svg"), drawWays(pair.bench));
  await put(join(folder, "card.md"), renderCard(pair, prepared));
  const inside = relative(folder, source.model);
  const isInside = !inside.startsWith("..") && existsSync(join(folder, inside));
  const { contextSize } = prepared.checked;
  const said = {
    overfill: "pair",
    version: 1,
    prefill: { model: isInside ? inside.replaceAll("\\", "/") : source.model },
    decode: { model: "decode.gguf" },
    ...(contextSize !== undefined && { contextSize }),
    made: madeFacts(pair, prepared),
  };
  await put(join(folder, pairFileName), `${JSON.stringify(said, undefined, 2)}\n`);
}

function madeFacts(pair: MadePair, { parent, target }: Prepared): object {
  const { model, speedUp, prompts, heldOut, answers, pruned, machine, evaluation } = pair;
  const { name, license } = parent.general;
  return {
    by: `overfill ${ownVersion}`,
    parent: { ...(name !== undefined && { name }), ...(license !== undefined && { license }), mark: parent.mark },
    target,
    ...{ model, pruned, speedUp, prompts, heldOut, answers, machine },
    agreement: rowOf(evaluation, "two-stage")?.figures.agreementAfterFirst,
  };
}

const rowOf = (report: EvaluationReport, name: RowReport["row"]) => report.rows.find(({ row }) => row === name);

const count = (value: number) => Math.round(value).toLocaleString("en-US");
const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toPrecision(3)} MiB`;
const minutes = (ms: number) => (ms < 120_000 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 60_000).toFixed(1)} min`);

/** What a model's file says must neither end a line of the card nor be taken for markup. */
const plain = (text: string) => text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ").replace(/[\\`*_{}[\]<>#|]/g, "\\$&");

/** Text for the card's head, which is YAML: JSON's strings are YAML's. */
const quotedText = (text: string) => JSON.stringify(text.replace(/[\p{Cc}\u2028\u2029]+/gu, " "));

function renderCard(pair: MadePair, prepared: Prepared): string {
  const { general } = prepared.parent;
  const parts = [
    renderHead(general),
    `# ${plain(general.name ?? "A pair")}, with a small writer`,
    "Made by [overfill](https://github.com/overfill/overfill): the full model reads the prompt, the small one writes the answer on its KV cache.",
    renderModels(pair, prepared),
    "## Data and training",
    renderTraining(pair, prepared),
    "## Scores",
    renderScores(pair),
    "## Speed",
    renderSpeed(pair),
    "![Speed and nearness of every way](card.svg)",
    "## Licence",
    renderLicence(general),
  ];
  return `${parts.join("\n\n")}\n`;
}

function renderHead({
  name,
  license,
  "license.name": licenseName,
  "license.link": link,
}: Prepared["parent"]["general"]) {
  const lines = [
    ...(license === undefined ? [] : [`license: ${quotedText(license)}`]),
    ...(licenseName === undefined ? [] : [`license_name: ${quotedText(licenseName)}`]),
    ...(link === undefined ? [] : [`license_link: ${quotedText(link)}`]),
    ...(name === undefined ? [] : [`base_model: ${quotedText(name)}`]),
    "tags: [overfill, gguf]",
  ];
  return ["---", ...lines, "---"].join("\n");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function renderModels({ evaluation, model, pruned }: MadePair, { checked }: Prepared): string {
  const { prefill } = evaluation;
  const rows = [
    ["reads", plain(prefill.name || "the full model"), count(prefill.parameters), mebibytes(prefill.sizeBytes)],
    ["writes", `decode.gguf, ${model.type}`, count(model.parameters), mebibytes(model.sizeBytes)],
  ];
  const sizes = pruned
    ? `The writer has a width of ${model.hiddenSize}, feed-forward networks of ${model.feedForwardSize} and ${model.layers} layers. ` +
      `${(100 * model.importanceKept).toFixed(1)}% of what was measured as important stays, weighed by the type.`
    : "The writer is the full model in a coarser type: nothing was pruned, and nothing had to be healed.";
  const wanted = checked.speedUp === undefined ? "" : ` ${checked.speedUp} times the full model's speed was asked for.`;
  return `${table(["", "model", "parameters", "weights"], rows)}\n\n${sizes}${wanted}`;
}

/** Steps that are done several times count together. */
function timesByStep(steps: MadePair["steps"]): ReadonlyMap<string, number> {
  const times = new Map<string, number>();
  for (const { step, ms } of steps) times.set(step, (times.get(step) ?? 0) + ms);
  return times;
}

function renderTraining(pair: MadePair, { checked }: Prepared): string {
  const { prompts, heldOut, answers, pruned, steps } = pair;
  const learned = checked.responses === "write" ? "the full model's own answers" : "the data's responses";
  const used = pruned
    ? `The writer was healed on ${learned} to ${count(prompts)} prompts (${count(answers)} lines), in ${checked.rounds === 2 ? "two rounds" : "one round"}.`
    : "No training.";
  const times = table(
    ["step", "took"],
    [...timesByStep(steps)].map(([step, ms]) => [step, minutes(ms)]),
  );
  return `${used} ${count(heldOut)} other prompts were held out for the scores below.\n\n${times}`;
}

const metrics: Readonly<Partial<Record<MetricName, string>>> = {
  agreementAfterFirst: "agreement with the full model",
  divergenceAfterFirst: "KL from the full model, nats",
  perplexityAfterFirst: "perplexity",
};

function renderScores({ healed, evaluation }: MadePair): string {
  const figure = (row: RowReport | undefined, name: MetricName) => {
    const of = row?.figures[name];
    if (!of) return "-";
    const { value, low, high } = of;
    const interval = low === undefined || high === undefined ? "" : ` [${low.toPrecision(3)}, ${high.toPrecision(3)}]`;
    return `${value.toPrecision(3)}${interval}`;
  };
  const columns = [
    ["full alone", rowOf(evaluation, "prefill")],
    ...(healed ? ([["pair, before quantising", rowOf(healed, "two-stage")]] as const) : []),
    ["pair", rowOf(evaluation, "two-stage")],
    ["small alone", rowOf(evaluation, "decode")],
  ] as const;
  const rows = Object.entries(metrics).map(([name, words]) => [
    words,
    ...columns.map(([, row]) => figure(row, name as MetricName)),
  ]);
  const head = ["", ...columns.map(([words]) => words)];
  const { confidence, examples, scoredTokens } = evaluation;
  const note = `On ${count(scoredTokens)} tokens of ${count(examples)} held-out answers, without the first of each, which the full model gives. ${100 * confidence}% intervals are in brackets.`;
  return `${table(head, rows)}\n\n${note}`;
}

function renderSpeed({ bench, machine }: MadePair): string {
  const rows = bench.rows.map(({ way, speed, written }) => [
    nameOfWay(way),
    speed.decodeTokensPerSecond.toFixed(1),
    speed.writesTimes.toFixed(2),
    speed.answersTimes.toFixed(2),
    `${(100 * written.agreement).toFixed(1)}%`,
  ]);
  const head = ["way", "writes, tokens/s", "times the full model", "with reading", "agrees, its own text"];
  const where =
    machine.gpu === false ? `${machine.threads} ${machine.threads === 1 ? "thread" : "threads"}` : machine.gpu;
  return `On the machine that made it (${where}), ${count(bench.prompts)} held-out prompts.\n\n${table(head, rows)}`;
}

function renderLicence({ license, "license.name": name, "license.link": link }: Prepared["parent"]["general"]): string {
  if (license === undefined && name === undefined)
    return "The full model's file names no licence. What its makers allow holds for this writer, too: look there.";
  const words = [name ?? license, link].filter((text) => text !== undefined).map((text) => plain(text));
  return `The full model's, from which the writer was made: ${words.join(", ")}.`;
}
