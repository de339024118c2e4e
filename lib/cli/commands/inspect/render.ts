/** What one or two models are, how they pair and what memory they take, as tables. */

import type { AdapterInfo, HandoverPlan, ModelInfo } from "../../../engine/index.js";
import type { MemoryEstimate } from "../../memory-estimate.js";
import { formatBytes, formatCount } from "../../number-format.js";
import { prose, renderTable } from "../../tables.js";
import type { Style } from "../../terminal.js";
import { adviceFor } from "./advice.js";

export interface InspectedModel extends ModelInfo {
  readonly file: string;
  /** Of a cache of its own. */
  readonly kvBytesPerToken: number;
}

export interface Inspected {
  readonly prefill: InspectedModel;
  readonly decode?: InspectedModel;
  readonly plan?: HandoverPlan;
  readonly memory: MemoryEstimate;
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
  ["memory", (model) => model.memory],
  ["KV cache", (model) => `${formatCount(model.kvBytesPerToken)} bytes per token`],
  [
    "state",
    (model) =>
      model.stateBytesPerSession > 0 ? `${formatCount(model.stateBytesPerSession)} bytes per session` : "none",
  ],
];

const adapterText = ({ path, scale, rank }: AdapterInfo) => `${path} (rank ${rank}, scale ${scale})`;

export function render({ prefill, decode, plan, memory }: Inspected, style: Style): string {
  const models = decode ? [prefill, decode] : [prefill];
  const head = decode ? ["", "prefill", "decode"] : ["", "model"];
  const rows: readonly Row[] = models.some(({ adapters }) => adapters.length > 0)
    ? [...modelRows, ["adapters", ({ adapters }) => adapters.map(adapterText).join(", ") || "none"]]
    : modelRows;
  const facts = rows.map(([label, value]) => [label, ...models.map(value)]);
  const parts = [renderTable(head, facts)];
  if (plan) parts.push(renderPlan(plan, style));
  if (plan && decode) {
    const advice = adviceFor(plan, prefill.file, decode.file);
    if (advice.length > 0) parts.push(prose(["What would make this pair work:", ...advice].join("\n")));
  }
  parts.push(renderMemory(models, memory, plan));
  return parts.join("\n\n");
}

function renderPlan(plan: HandoverPlan, style: Style): string {
  const lines = [prose(`${style("bold", "Pair:")} ${style(planColor(plan), plan.kind)}, ${explain(plan)}`)];
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
  if (plan.oneFile && !plan.oneModel) lines.push(prose("Both are one file, whose weights are in memory once."));
  for (const note of plan.notes) lines.push(prose(`Note: ${note}`));
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
  if (plan.available) return "the decode model goes on from a translated copy of the prefill model's cache";
  return "the cache has to be translated, and nothing says how";
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
    ...(memory.stateBytes > 0 ? [[`state of a session${shared}`, formatBytes(memory.stateBytes)]] : []),
    ["total", formatBytes(memory.totalBytes)],
  ];
  const most = models.some((model) => model.slidingWindow > 0)
    ? " (at most: layers with a sliding window take less)"
    : "";
  return [
    prose(`Memory at a context of ${formatCount(memory.contextSize)} tokens, without compute buffers${most}:`),
    renderTable([], rows, [1]),
  ].join("\n");
}
