/** What a translator file holds. */

import { runJob } from "../internal/abortable.js";
import type { NativeTranslator } from "../internal/binding-types.js";
import { fromCaller } from "../internal/caller-stack.js";
import { checkFilePath } from "../internal/check-options.js";
import { loadBinding } from "../internal/load-binding.js";

/** The shape of a linear map over all KV heads of a layer. */
export interface LinearMapShape {
  readonly inputs: number;
  readonly outputs: number;
}

/** One layer of the decode model in a translator. */
export interface TranslatorLayer {
  /** The decode model's layer. */
  readonly layer: number;
  /** The prefill model's layer that K and V come from. */
  readonly source: number;
  /** Absent: K is taken as it is. */
  readonly k?: LinearMapShape;
  /** Absent: V is taken as it is. */
  readonly v?: LinearMapShape;
  /** Squared error on held-out text relative to the mean's: 0 is exact, 1 no better than the mean. Absent: unknown. */
  readonly errorK?: number;
  /** As `errorK`. */
  readonly errorV?: number;
}

/** Next-token losses on held-out text, in nats per token. */
export interface TranslatorLoss {
  /** The decode model by itself, with the prompt read by itself. */
  readonly alone: number;
  /** Two-stage without the linear maps; where the caches do not fit without, the decode model without the prompt. */
  readonly unmapped: number;
  /** Two-stage through the translator. */
  readonly mapped: number;
}

/** A model that a translator was made for. */
export interface TranslatorModel {
  /** For people; may be empty. */
  readonly name: string;
  /** The same for all quantisations of a model; empty: any model of fitting shape. */
  readonly fingerprint: string;
}

/** What a translator is: answer of {@link inspectTranslator}. */
export interface TranslatorInfo {
  readonly path: string;
  /** The prefill model. */
  readonly source: TranslatorModel;
  /** The decode model. */
  readonly target: TranslatorModel;
  /** `"none"`: a layer map only. */
  readonly maps: "none" | "common" | "separate";
  /** Whether the maps of K work on K without its position encoding. */
  readonly beforeRope: boolean;
  readonly weightType: string;
  /** By the decode model's layers; empty if the translator says nothing by layer. */
  readonly layers: readonly TranslatorLayer[];
  /** Absent: not measured. */
  readonly loss?: TranslatorLoss;
  /** Tokens that the maps were fitted to; 0: none or unknown. */
  readonly fitTokens: number;
  readonly sizeBytes: number;
}

/**
 * What a translator file holds; `undefined` for a file that is not a translator. Reads all of it, off the JavaScript thread.
 * Rejects with ERR_TRANSLATOR_INVALID for a damaged translator, and with the loader's codes.
 */
export async function inspectTranslator(path: string | URL): Promise<TranslatorInfo | undefined> {
  return fromCaller(() => readTranslator(path));
}

async function readTranslator(path: string | URL): Promise<TranslatorInfo | undefined> {
  const file = checkFilePath(path, "path");
  const native = await runJob(() => loadBinding().inspectTranslator(file));
  return native && toTranslatorInfo(native, file);
}

/** The native side's answer with what is absent left out. */
export function toTranslatorInfo(native: NativeTranslator, path: string): TranslatorInfo {
  const { source, target, maps, beforeRope, weightType, loss, fitTokens, sizeBytes } = native;
  const layers = native.layers.map((of, layer) => ({
    layer,
    source: of.source,
    ...(of.k && { k: of.k }),
    ...(of.v && { v: of.v }),
    ...(of.errorK !== undefined && { errorK: of.errorK }),
    ...(of.errorV !== undefined && { errorV: of.errorV }),
  }));
  const measured = loss.alone > 0 || loss.mapped > 0;
  return {
    path,
    source,
    target,
    maps,
    beforeRope,
    weightType,
    layers,
    ...(measured && { loss }),
    fitTokens,
    sizeBytes,
  };
}
