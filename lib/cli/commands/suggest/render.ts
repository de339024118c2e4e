/** What `overfill suggest` proposes, as text of 80 columns. */

import { formatBytes, formatSpeed } from "../../number-format.js";
import { commandLines, ownCommand, quoted } from "../../shell-words.js";
import type { SuggestedDownload, SuggestedPair } from "../../suggest/pairs.js";
import { prose, renderList } from "../../tables.js";
import { columnsOf, type Style } from "../../terminal.js";
import { wrap } from "../../wrap.js";

/** This machine. */
export interface Machine {
  readonly memoryBytes: number;
  /** What a process could have now. */
  readonly availableBytes: number;
  readonly threads: number;
  /** Of memory; 0 where it is not known. */
  readonly bytesPerSecond: number;
  readonly isMeasured: boolean;
  readonly gpus: readonly { readonly name: string; readonly description: string; readonly memoryFreeBytes: number }[];
}

export interface Suggestions {
  readonly machine: Machine;
  readonly models: readonly {
    readonly path: string;
    readonly fileName: string;
    readonly sizeBytes: number;
    readonly parameters: number;
    readonly architecture: string;
    /** An estimate, of the model alone. */
    readonly tokensPerSecond: number;
  }[];
  readonly unusable: readonly { readonly path: string; readonly reason: string }[];
  readonly pairs: readonly SuggestedPair[];
  /** Where no pair is here that fits. */
  readonly download?: SuggestedDownload | undefined;
}

/** More are too many to choose from. */
const mostShown = 5;

export function renderSuggestions({ machine, models, unusable, pairs, download }: Suggestions, style: Style): string {
  const parts = [`${style("bold", "This machine")}\n${renderList(machineRows(machine))}`];
  const fitting = pairs.filter(({ fits }) => fits);
  parts.push(prose(renderFound(models.length, unusable.length, pairs.length, fitting.length)));

  const names = new Map(models.map(({ path, fileName }) => [path, fileName]));
  const shown = pairs.slice(0, mostShown);
  for (const [index, pair] of shown.entries()) parts.push(renderPair(index + 1, pair, names, style));
  if (pairs.length > shown.length) parts.push(`(${pairs.length - shown.length} more: --json has all)`);
  if (shown.length > 0)
    parts.push(
      prose(
        `Speeds and memory are estimates${machine.gpus.length > 0 ? ", for the processor and not the GPU" : ""}. Measure: ${ownCommand()} bench --prefill FILE --decode FILE`,
      ),
    );
  const [largest] = models;
  if (fitting.length === 0 && largest)
    parts.push(
      `Make a pair out of a model that is here:\n  ${ownCommand()} quantize ${quoted(largest.path)} -o small.gguf q4_0`,
    );
  if (download) parts.push(renderDownload(download, largest ? "Or download" : "Download"));
  return parts.join("\n\n");
}

function renderFound(models: number, unusable: number, pairs: number, fitting: number): string {
  const others = unusable === 0 ? "" : ` (and ${unusable} that cannot be one of a pair: --json says why)`;
  if (models === 0) return `No models are here${others}.`;
  const found = `Found ${models === 1 ? "1 model" : `${models} models`}${others}`;
  if (pairs === 0) return `${found}, and no two of them that go together.`;
  const room = fitting === pairs ? "" : `, ${fitting === 0 ? "none" : `${fitting}`} of which fit into memory now`;
  return `${found}; ${pairs === 1 ? "1 pair" : `${pairs} pairs`}${room}.`;
}

/** One that fits into the processor's caches is not bounded by memory, and fast in any case. */
const roundSpeed = (tokensPerSecond: number): string =>
  tokensPerSecond > 1000 ? "over 1,000 tokens/s" : `about ${formatSpeed(tokensPerSecond)}`;

function machineRows({ memoryBytes, availableBytes, threads, bytesPerSecond, isMeasured, gpus }: Machine) {
  const speed = `${(bytesPerSecond / 1e9).toFixed(1)} GB/s${isMeasured ? `, measured with ${threads} threads` : ""}`;
  return [
    ["memory", `${formatBytes(memoryBytes)}, of which ${formatBytes(availableBytes)} can be had now`] as const,
    ["bandwidth", bytesPerSecond > 0 ? speed : "not known"] as const,
    ...(gpus.length === 0 ? [["GPU", "none in use"] as const] : []),
    ...gpus.map(
      ({ name, description, memoryFreeBytes }) =>
        ["GPU", `${name}: ${description}, ${formatBytes(memoryFreeBytes)} free`] as const,
    ),
  ];
}

const screenWidth = () => Math.min(80, columnsOf(process.stdout));

function renderPair(
  number: number,
  { prefill, decode, handover, isOneModel, estimate, fits }: SuggestedPair,
  names: ReadonlyMap<string, string>,
  style: Style,
): string {
  const { tokensPerSecond, aloneTokensPerSecond, memoryBytes, contextSize } = estimate;
  const speed =
    tokensPerSecond > 0
      ? `${roundSpeed(tokensPerSecond)} (the reader alone: ${roundSpeed(aloneTokensPerSecond)}), `
      : "";
  const kind = isOneModel
    ? "two quantisations of one model"
    : `${handover === "share" ? "caches of one shape" : "translated"}, the answers are to be tried`;
  const room = fits ? "" : style("yellow", ": more than can be had now");
  const indented = (text: string) => wrap(text, screenWidth() - 3, "   ");
  return [
    `${number}. ${style("bold", names.get(prefill) ?? prefill)} reads,`,
    `   ${style("bold", names.get(decode) ?? decode)} writes: ${kind}`,
    `   ${indented(`${speed}about ${formatBytes(memoryBytes)} of memory with ${contextSize} tokens`)}${room}`,
    commandLines(`${ownCommand()} chat`, [`--prefill ${quoted(prefill)}`, `--decode ${quoted(decode)}`], {
      indent: "   ",
      width: screenWidth(),
    }),
  ].join("\n");
}

function renderDownload(
  { repository, quantisations, sizeBytes, tokensPerSecond }: SuggestedDownload,
  verb: string,
): string {
  const speed = tokensPerSecond > 0 ? `, about ${formatSpeed(tokensPerSecond)}` : "";
  return [
    prose(`${verb} a pair that suits this machine (about ${formatBytes(sizeBytes)}${speed}):`),
    `  ${ownCommand()} pull ${repository} --quant ${quantisations.join(",")}`,
  ].join("\n");
}
