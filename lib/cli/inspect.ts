/** What `overfill inspect` does. No weights are loaded: everything follows from the files' heads. */

import { type HandoverPlan, type InspectOptions, inspect, inspectTranslator, type ModelInfo } from "../engine/index.js";
import { readImportance } from "../prune/index.js";
import { UsageError } from "./exit.js";
import { given, toTranslator } from "./flags.js";
import type { InspectFlags } from "./inspect-command.js";
import { inspectImportanceFile } from "./inspect-importance.js";
import { inspectTranslatorFile } from "./inspect-translator.js";
import { formatBytes, formatCount } from "./number-format.js";
import { renderTable } from "./tables.js";
import { type Style, styleOf, write } from "./terminal.js";

/** The largest context that a pair takes without being asked to. */
const defaultContext = 4096;
/** llama.cpp allocates caches in multiples of so many tokens. */
const contextStep = 256;

interface InspectedModel extends ModelInfo {
  readonly file: string;
  /** Of a cache of its own. */
  readonly kvBytesPerToken: number;
}

/** What loading would take, but compute buffers, which depend on the device. */
interface MemoryEstimate {
  readonly contextSize: number;
  readonly weightsBytes: number;
  /** One cache if it is shared, two otherwise. */
  readonly kvBytes: number;
  readonly totalBytes: number;
}

interface Inspected {
  readonly prefill: InspectedModel;
  readonly decode?: InspectedModel;
  readonly plan?: HandoverPlan;
  readonly memory: MemoryEstimate;
}

export async function inspectFiles(
  prefillFile: string,
  decodeFile: string | undefined,
  flags: InspectFlags,
): Promise<void> {
  if (flags.context !== undefined && !(Number.isInteger(flags.context) && flags.context > 0))
    throw new UsageError(`--context: expected a whole number above 0; got ${flags.context}`);
  const translator = decodeFile === undefined ? await inspectTranslator(prefillFile) : undefined;
  if (translator) return inspectTranslatorFile(translator, flags);
  if (flags.plot !== undefined) throw new UsageError("--plot: only a translator has errors to draw");
  const importance = decodeFile === undefined ? await readImportance(prefillFile) : undefined;
  if (importance) return inspectImportanceFile(importance, flags);
  const facts = await inspectPair(prefillFile, decodeFile, flags);
  const text = flags.json ? JSON.stringify(facts, undefined, 2) : render(facts, styleOf(process.stdout));
  await write(process.stdout, `${text}\n`);
}

type CacheTypes = Pick<InspectOptions, "cacheTypeK" | "cacheTypeV">;

async function inspectPair(
  prefillFile: string,
  decodeFile: string | undefined,
  flags: InspectFlags,
): Promise<Inspected> {
  const { cacheTypeK, cacheTypeV, decodeCacheTypeK, decodeCacheTypeV } = flags;
  const cache = given<CacheTypes>({ cacheTypeK, cacheTypeV });
  const decodeCache = given<CacheTypes>({ cacheTypeK: decodeCacheTypeK, cacheTypeV: decodeCacheTypeV });
  const alone = async (file: string, types: CacheTypes): Promise<InspectedModel> => {
    const { prefill, kvBytesPerToken } = await inspect({ prefill: { model: file }, ...types });
    return { file, ...prefill, kvBytesPerToken };
  };
  const prefill = await alone(prefillFile, cache);
  if (decodeFile === undefined) return { prefill, memory: estimate([prefill], [prefill], flags.context) };
  const decode = await alone(decodeFile, { ...cache, ...decodeCache });
  const { plan } = await inspect({
    prefill: { model: prefillFile },
    decode: { model: decodeFile, ...decodeCache },
    ...cache,
    ...given<Pick<InspectOptions, "translator">>({ translator: toTranslator(flags) }),
  });
  const models = plan.oneModel ? [prefill] : [prefill, decode];
  const caches = plan.kind === "share" ? [prefill] : models;
  return { prefill, decode, plan, memory: estimate(models, caches, flags.context) };
}

function estimate(
  models: readonly InspectedModel[],
  caches: readonly InspectedModel[],
  asked: number | undefined,
): MemoryEstimate {
  const tokens = asked ?? Math.min(defaultContext, ...models.map((model) => model.trainedContextSize));
  const contextSize = Math.ceil(tokens / contextStep) * contextStep;
  const weightsBytes = models.reduce((sum, model) => sum + model.sizeBytes, 0);
  const kvBytes = caches.reduce((sum, model) => sum + model.kvBytesPerToken * contextSize, 0);
  return { contextSize, weightsBytes, kvBytes, totalBytes: weightsBytes + kvBytes };
}

type Row = readonly [label: string, value: (model: InspectedModel) => string];

const modelRows: readonly Row[] = [
  ["file", (model) => model.file],
  ["name", (model) => model.name || "(none)"],
  ["architecture", (model) => model.architecture],
  ["description", (model) => model.description],
  ["parameters", (model) => formatCount(model.parameters)],
  ["weights", (model) => formatBytes(model.sizeBytes)],
  ["trained context", (model) => `${formatCount(model.trainedContextSize)} tokens`],
  ["layers", (model) => String(model.layers)],
  ["hidden size", (model) => formatCount(model.hiddenSize)],
  ["feed-forward size", (model) => formatCount(model.feedForwardSize)],
  ["heads, KV heads", (model) => `${model.heads}, ${model.kvHeads}`],
  ["head size of K, V", (model) => `${model.headSizeK}, ${model.headSizeV}`],
  ["vocabulary", (model) => `${formatCount(model.vocabularySize)} tokens`],
  ["RoPE base, scaling", (model) => `${formatCount(model.ropeBase)}, ${model.ropeScaling}`],
  ["sliding window", (model) => (model.slidingWindow > 0 ? `${formatCount(model.slidingWindow)} tokens` : "none")],
  ["KV cache", (model) => `${formatCount(model.kvBytesPerToken)} bytes per token`],
];

function render({ prefill, decode, plan, memory }: Inspected, style: Style): string {
  const models = decode ? [prefill, decode] : [prefill];
  const head = decode ? ["", "prefill", "decode"] : ["", "model"];
  const facts = modelRows.map(([label, value]) => [label, ...models.map(value)]);
  const parts = [renderTable(head, facts)];
  if (plan) parts.push(renderPlan(plan, style));
  parts.push(renderMemory(models, memory, plan));
  return parts.join("\n\n");
}

function renderPlan(plan: HandoverPlan, style: Style): string {
  const lines = [`${style("bold", "Pair:")} ${style(planColor(plan), plan.kind)}, ${explain(plan)}`];
  if (plan.reasons.length > 0) {
    const rows = plan.reasons.map((reason) => [
      reason.field,
      reason.prefill,
      reason.decode,
      reason.leadsTo,
      reason.message,
    ]);
    lines.push(renderTable(["field", "prefill", "decode", "leads to", "why"], rows));
  }
  for (const note of plan.notes) lines.push(`Note: ${note}`);
  return lines.join("\n");
}

function planColor(plan: HandoverPlan): "green" | "yellow" | "red" {
  if (plan.kind === "share") return "green";
  return plan.available ? "yellow" : "red";
}

function explain(plan: HandoverPlan): string {
  if (plan.oneModel) return "both are one model: ordinary inference";
  if (plan.kind === "share") return "the decode model goes on in the prefill model's cache: the switch moves no byte";
  if (plan.kind === "impossible") return "the decode model cannot go on from the prefill model's cache";
  if (plan.available) return "the decode model goes on from a copy of the prefill model's cache";
  return "the cache would have to be translated, which this version cannot do";
}

function renderMemory(
  models: readonly InspectedModel[],
  memory: MemoryEstimate,
  plan: HandoverPlan | undefined,
): string {
  const shared = plan?.kind === "share" && !plan.oneModel ? ", shared" : "";
  const rows = [
    ["weights", formatBytes(memory.weightsBytes)],
    [`KV cache${shared}`, formatBytes(memory.kvBytes)],
    ["together", formatBytes(memory.totalBytes)],
  ];
  const most = models.some((model) => model.slidingWindow > 0)
    ? " (at most: layers with a sliding window take less)"
    : "";
  return [
    `Memory at a context of ${formatCount(memory.contextSize)} tokens, without compute buffers${most}:`,
    renderTable([], rows, [1]),
  ].join("\n");
}
