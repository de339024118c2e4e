/** What `overfill doctor` found, as rows. */

import { formatBytes, formatMs } from "../../number-format.js";
import { describeEnding, stageRows } from "../../stage-summary.js";
import { renderList } from "../../tables.js";
import { styleOf } from "../../terminal.js";
import type { Found, Loaded, Trial } from "./installation.js";

const style = styleOf(process.stdout);

export type Row = readonly [label: string, value: string];

export function section(title: string, rows: readonly Row[]): string {
  return `${style("bold", title)}\n${renderList(rows)}`;
}

export function foundRows({ node, system, binding, threads }: Found): Row[] {
  const { platformPackage, gpuPackages } = binding;
  const missing = style("yellow", "none");
  const llama = (version: string | undefined) => (version === undefined ? "unknown" : `llama.cpp ${version}`);
  return [
    ["Node.js", node],
    ["platform", `${binding.platform}, ${system.release}`],
    ["processor", system.cpu],
    ["memory", formatBytes(system.memoryBytes)],
    ["threads", `${threads.threads}: ${threads.reason}`],
    ["addon", binding.addonPath ?? missing],
    ["built for", `${llama(binding.llamaVersionBuilt)}, ${originOf(binding.llamaOrigin)}`],
    ["platform package", platformPackage ? `${platformPackage.name} ${platformPackage.version ?? ""}`.trim() : missing],
    ["libraries", binding.libraryDirectory ?? missing],
    ["their version", llama(binding.llamaVersionFound)],
    ...gpuPackages.map((gpu): Row => [`GPU package (${gpu.kind})`, `${gpu.name}, ${llama(gpu.llamaVersion)}`]),
    ...(gpuPackages.length === 0 ? [["GPU packages", "none"] satisfies Row] : []),
  ];
}

function originOf(origin: Loaded["llamaOrigin"] | undefined): string {
  if (origin === undefined) return "origin unknown";
  return origin === "source" ? "linked in" : "in libraries of its own";
}

export function loadedRows({ llamaVersion, llamaOrigin, cpuFeatures, kernels, devices, gpu }: Loaded): Row[] {
  const memory = (free: number, total: number) =>
    total > 0 ? `, ${formatBytes(free)} of ${formatBytes(total)} free` : "";
  return [
    ["llama.cpp", `${llamaVersion}, ${originOf(llamaOrigin)}`],
    ["CPU features", cpuFeatures],
    ["matrix kernels", `${kernels.instructions || "ggml's"}: ${kernels.reason}`],
    ...Object.entries(kernels.speedUps).map(
      ([type, { one, few, many }]): Row => [
        `kernels, ${type}`,
        `${one.toFixed(1)}, ${few.toFixed(1)} and ${many.toFixed(1)} times ggml's speed with 1, 4 and 64 tokens`,
      ],
    ),
    ...devices.map(
      ({ name, kind, description, memoryFreeBytes, memoryTotalBytes }): Row => [
        `device ${name}`,
        `${kind}: ${description}${memory(memoryFreeBytes, memoryTotalBytes)}`,
      ],
    ),
    ["GPU in use", gpu.kind || "none"],
    ...gpu.reasons.map((reason): Row => ["not used", reason]),
  ];
}

export function trialRows(trial: Trial): Row[] {
  return [
    ["loaded in", formatMs(trial.pair.loadMs)],
    ["threads", `${trial.pair.threads} (a tiny model gets fewer)`],
    ...stageRows(trial).map(([stage = "", ...rest]): Row => [stage, rest.filter((cell) => cell !== "").join(", ")]),
    ["finish", describeEnding(trial.decode)],
    [
      "answer",
      `${trial.text.trim()} ${trial.text === trial.expected ? style("green", "right") : style("red", "wrong")}`,
    ],
  ];
}
