/** What `overfill inspect` does. No weights are loaded: everything follows from the files' heads. */

import { type AdapterSource, type InspectOptions, inspect, inspectTranslator } from "../../../engine/index.js";
import { readImportance } from "../../../prune/index.js";
import { decodeFileOf } from "../../adapter-flags.js";
import { UsageError } from "../../exit.js";
import { given, oneOf, toDecodeSource, toFlashAttention, toTranslator } from "../../flags.js";
import { estimateMemory } from "../../memory-estimate.js";
import { styleOf, write } from "../../terminal.js";
import { toJson, visible } from "../../visible.js";
import type { InspectFlags } from "./flags.js";
import { inspectImportanceFile } from "./importance.js";
import { type Inspected, type InspectedModel, render } from "./render.js";
import { inspectTranslatorFile } from "./translator.js";

export async function inspectFiles(
  prefillArgument: string | undefined,
  decodeArgument: string | undefined,
  flags: InspectFlags,
): Promise<void> {
  const prefillFile = oneOf("prefill", prefillArgument, flags.prefill);
  const namedFile = oneOf("decode", decodeArgument, flags.decode);
  if (prefillFile === undefined) throw new UsageError("missing required argument 'prefill'");
  if (flags.context !== undefined && !(Number.isInteger(flags.context) && flags.context > 0))
    throw new UsageError(`--context: expected a whole number above 0; got ${flags.context}`);
  const decodeFile = decodeFileOf(prefillFile, { ...flags, decode: namedFile });
  const translator = decodeFile === undefined ? await inspectTranslator(prefillFile) : undefined;
  if (translator) return inspectTranslatorFile(translator, flags);
  if (flags.plot !== undefined) throw new UsageError("--plot: only a translator has errors to draw");
  const importance = decodeFile === undefined ? await readImportance(prefillFile) : undefined;
  if (importance) return inspectImportanceFile(importance, flags);
  const facts = await inspectPair(prefillFile, decodeFile, flags);
  const text = flags.json ? toJson(facts, 2) : render(visible(facts), styleOf(process.stdout));
  await write(process.stdout, `${text}\n`);
}

type CacheKind = Pick<InspectOptions, "cacheTypeK" | "cacheTypeV" | "flashAttention">;

async function inspectPair(
  prefillFile: string,
  decodeFile: string | undefined,
  flags: InspectFlags,
): Promise<Inspected> {
  const { cacheTypeK, cacheTypeV } = flags;
  const cache = given<CacheKind>({ cacheTypeK, cacheTypeV, flashAttention: toFlashAttention(flags.flashAttention) });
  const alone = async (file: string, adapters: readonly AdapterSource[], kind: CacheKind): Promise<InspectedModel> => {
    const { prefill, kvBytesPerToken } = await inspect({ prefill: { model: file, adapters }, ...kind });
    return { file, ...prefill, kvBytesPerToken };
  };
  const { prefillAdapter = [] } = flags;
  if (decodeFile === undefined) {
    const prefill = await alone(prefillFile, prefillAdapter, cache);
    return { prefill, memory: estimateMemory([prefill], [prefill], flags.context) };
  }
  const { model, adapters = [], ...decodeCache } = toDecodeSource(decodeFile, flags);
  // Before each by itself: what is wrong with the decode model's options is told under its own flags.
  const { plan } = await inspect({
    prefill: { model: prefillFile, adapters: prefillAdapter },
    decode: { model, adapters, ...decodeCache },
    ...cache,
    ...given<Pick<InspectOptions, "translator">>({ translator: toTranslator(flags) }),
  });
  const prefill = await alone(prefillFile, prefillAdapter, cache);
  const decode = await alone(decodeFile, adapters, { ...cache, ...decodeCache });
  const models = plan.oneModel ? [prefill] : [prefill, decode];
  const caches = plan.kind === "share" ? [prefill] : models;
  const files = plan.oneFile ? [prefill] : models;
  return { prefill, decode, plan, memory: estimateMemory(files, caches, flags.context) };
}
