/** What `overfill doctor` does: tells what is found, loads it, runs the demo pair, and says whether all of it works. */

import type { DoctorFlags } from "./doctor-command.js";
import { exitCodes, QuietExit } from "./exit.js";
import {
  type Found,
  findInstallation,
  type Loaded,
  loadInstallation,
  type Problem,
  problemOfError,
  problemOfTrial,
  type Trial,
  tryDemoPair,
} from "./installation.js";
import { formatBytes, formatMs } from "./number-format.js";
import { describeEnding, stageRows } from "./stage-summary.js";
import { listenForStop } from "./stop-signals.js";
import { renderList } from "./tables.js";
import { styleOf, write } from "./terminal.js";

const style = styleOf(process.stdout);

export async function doctor(flags: DoctorFlags): Promise<void> {
  const { signal, release } = listenForStop();
  const say = async (text: string) => {
    if (!flags.json) await write(process.stdout, `${text}\n`, signal);
  };
  try {
    const found = findInstallation();
    // Before anything is loaded: should a library end the process, this much has been told.
    await say(`${section("Found", foundRows(found))}\n`);
    const { loaded, trial, problem } = await examine(signal, say);
    if (flags.json)
      await write(
        process.stdout,
        `${JSON.stringify({ ok: problem === undefined, ...found, loaded, trial, problem }, undefined, 2)}\n`,
        signal,
      );
    if (problem === undefined) return say(style("green", "Everything works."));
    const cause = problem.cause === undefined ? "" : `\n  caused by: ${problem.cause}`;
    await write(process.stderr, `overfill: ${problem.message} (${problem.code})${cause}\n`);
    throw new QuietExit(exitCodes.failure);
  } finally {
    release();
  }
}

type Row = readonly [label: string, value: string];

interface Examination {
  readonly loaded?: Loaded;
  readonly trial?: Trial;
  readonly problem?: Problem;
}

async function examine(signal: AbortSignal, say: (text: string) => Promise<void>): Promise<Examination> {
  let loaded: Loaded | undefined;
  try {
    loaded = loadInstallation();
    await say(`${section("Loaded", loadedRows(loaded))}\n`);
    const trial = await tryDemoPair(signal);
    await say(`${section("Demo pair", trialRows(trial))}\n`);
    const problem = problemOfTrial(trial);
    return { loaded, trial, ...(problem && { problem }) };
  } catch (error) {
    signal.throwIfAborted();
    return { ...(loaded && { loaded }), problem: problemOfError(error) };
  }
}

function section(title: string, rows: readonly Row[]): string {
  return `${style("bold", title)}\n${renderList(rows)}`;
}

function foundRows({ node, system, binding, threads }: Found): Row[] {
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

function loadedRows({ llamaVersion, llamaOrigin, cpuFeatures, devices, gpu }: Loaded): Row[] {
  const memory = (free: number, total: number) =>
    total > 0 ? `, ${formatBytes(free)} of ${formatBytes(total)} free` : "";
  return [
    ["llama.cpp", `${llamaVersion}, ${originOf(llamaOrigin)}`],
    ["CPU features", cpuFeatures],
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

function trialRows(trial: Trial): Row[] {
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
