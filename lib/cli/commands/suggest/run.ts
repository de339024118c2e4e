/** What `overfill suggest` does. No weights are loaded: the files' heads are read. */

import { totalmem } from "node:os";
import { inspect } from "../../../engine/index.js";
import { OverfillError } from "../../../errors/index.js";
import { loadBinding, loadGpu } from "../../../internal/load-binding.js";
import { chooseThreads } from "../../../internal/threads.js";
import { UsageError } from "../../exit.js";
import { Progress } from "../../progress.js";
import { listenForStop } from "../../stop-signals.js";
import { findModelFiles } from "../../suggest/find-models.js";
import { measureBandwidth } from "../../suggest/memory-bandwidth.js";
import {
  candidatePairs,
  estimateSpeed,
  inOrder,
  type KnownModel,
  type SuggestedPair,
  suggestDownload,
  suggestPair,
} from "../../suggest/pairs.js";
import { styleOf, write } from "../../terminal.js";
import { toJson, visible } from "../../visible.js";
import type { SuggestFlags } from "./flags.js";
import { type Machine, renderSuggestions, type Suggestions } from "./render.js";

/** Pairs whose plans are looked at; a moment each. */
const mostCandidates = 200;

export async function runSuggest(folders: readonly string[], flags: SuggestFlags): Promise<void> {
  const { context } = flags;
  if (context !== undefined && !(Number.isInteger(context) && context > 0))
    throw new UsageError(`--context: expected a whole number above 0; got ${context}`);
  const { signal, release } = listenForStop();
  const progress = await Progress.open(flags.progress, 20);
  signal.addEventListener("abort", () => progress.stop());
  try {
    const machine = await lookAtMachine(flags.bandwidth);
    signal.throwIfAborted();
    const files = await findModelFiles(folders, { signal });
    const models: KnownModel[] = [];
    const unusable: { path: string; reason: string }[] = [];
    for (const [index, { path, name }] of files.entries()) {
      signal.throwIfAborted();
      progress.update("reading heads", index, files.length, name);
      const model = await lookAt(path, name);
      if (typeof model === "string") unusable.push({ path, reason: model });
      else models.push(model);
    }
    const pairs = await findPairs(models, machine, context, signal, progress);
    progress.stop();
    const suggestions = put(machine, models, unusable, pairs);
    const text = flags.json ? toJson(suggestions, 2) : renderSuggestions(visible(suggestions), styleOf(process.stdout));
    await write(process.stdout, `${text}\n`, signal);
  } finally {
    progress.stop();
    release();
  }
}

async function lookAtMachine(bandwidth: number | undefined): Promise<Machine> {
  const { threads } = chooseThreads();
  const availableBytes = process.availableMemory();
  loadGpu("auto");
  const gpus = loadBinding()
    .devices()
    .filter(({ kind }) => kind === "gpu" || kind === "igpu")
    .map(({ name, description, memoryFreeBytes }) => ({ name, description, memoryFreeBytes }));
  const bytesPerSecond = bandwidth === undefined ? await measureBandwidth(threads, availableBytes) : bandwidth * 1e9;
  return {
    memoryBytes: totalmem(),
    availableBytes,
    threads,
    bytesPerSecond,
    isMeasured: bandwidth === undefined,
    gpus,
  };
}

/** What the file is, or why it is nothing for a pair. */
async function lookAt(path: string, fileName: string): Promise<KnownModel | string> {
  try {
    const { prefill, kvBytesPerToken } = await inspect({ prefill: { model: path } });
    return { ...prefill, kvBytesPerToken, path, fileName };
  } catch (error) {
    if (OverfillError.isInstance(error) && error.code.startsWith("ERR_MODEL_")) return error.message;
    throw error;
  }
}

async function findPairs(
  models: readonly KnownModel[],
  machine: Machine,
  context: number | undefined,
  signal: AbortSignal,
  progress: Progress,
): Promise<SuggestedPair[]> {
  const candidates = candidatePairs(models).slice(0, mostCandidates);
  const pairs: SuggestedPair[] = [];
  for (const [index, candidate] of candidates.entries()) {
    signal.throwIfAborted();
    const [prefill, decode] = candidate;
    progress.update("comparing", index, candidates.length, `${prefill.fileName}, ${decode.fileName}`);
    const { plan } = await inspect({ prefill: { model: prefill.path }, decode: { model: decode.path } });
    const pair = suggestPair(candidate, plan, machine, context);
    if (pair) pairs.push(pair);
  }
  return inOrder(pairs);
}

function put(
  machine: Machine,
  models: readonly KnownModel[],
  unusable: Suggestions["unusable"],
  pairs: readonly SuggestedPair[],
): Suggestions {
  const fits = pairs.some((pair) => pair.fits);
  return {
    machine,
    models: models
      .map((model) => ({
        path: model.path,
        fileName: model.fileName,
        sizeBytes: model.sizeBytes,
        parameters: model.parameters,
        architecture: model.architecture,
        tokensPerSecond: estimateSpeed(model, machine.bytesPerSecond),
      }))
      .sort((a, b) => b.sizeBytes - a.sizeBytes),
    unusable,
    pairs,
    ...(!fits && { download: suggestDownload(machine) }),
  };
}
