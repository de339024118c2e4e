/** The models of a pair and their caches as the binding takes them. */

import type { NativeAdapterOptions, NativeInspectOptions, NativeWriterOptions } from "../internal/binding-types.js";
import { toPath } from "../internal/check-options.js";
import type { Computing } from "../internal/computing.js";
import { isUrl } from "../internal/option-schemas.js";
import type { checkInspectOptions, checkLoadPairOptions } from "./validation.js";
import type { CheckedWriter } from "./writer-validation.js";
import { onlyWriter } from "./writers.js";

const onOff = (flash: boolean | "auto") => (flash === "auto" ? "auto" : flash ? "on" : "off");

type Checked = ReturnType<typeof checkInspectOptions> | ReturnType<typeof checkLoadPairOptions>;

/** The prefill model's cache. */
export function toNativeCaches(options: Checked): Omit<NativeInspectOptions, "prefill" | "writers"> {
  return {
    cacheTypeK: options.cacheTypeK,
    cacheTypeV: options.cacheTypeV,
    flashAttention: onOff(options.flashAttention),
  };
}

/** What decides about the handover to a decode model. `parameter` is the translator's, for messages. */
function toNativeWriterCache(
  decode: NonNullable<Checked["decode"]>,
  translator: Checked["translator"],
  parameter: string,
): Omit<NativeWriterOptions, "name" | "model"> {
  const isFile = typeof translator === "string" || isUrl(translator);
  const layers = translator === undefined || isFile ? [] : translator.layers;
  return {
    cacheTypeK: decode.cacheTypeK ?? "",
    cacheTypeV: decode.cacheTypeV ?? "",
    flashAttention: decode.flashAttention === undefined ? "" : onOff(decode.flashAttention),
    translatorPath: isFile ? toPath(translator, parameter) : "",
    layers: typeof layers === "string" ? [] : layers,
    layerRule: typeof layers === "string" ? layers : "",
  };
}

/** `parameter` is the model's, for messages. */
export function toNativeAdapters(parameter: string, { adapters = [] }: Checked["prefill"]): NativeAdapterOptions[] {
  return adapters.map(({ file, scale }, i) => ({ path: toPath(file, `${parameter}.adapters.${i}.file`), scale }));
}

/** A decode model as the binding takes it. */
export function toNativeWriter(
  { name, parameter, source, translator }: CheckedWriter,
  modelAt: Computing["modelAt"],
): NativeWriterOptions {
  const path = toPath(source.model, `${parameter}.model`);
  return {
    name,
    model: { ...modelAt(path, source), adapters: toNativeAdapters(parameter, source) },
    ...toNativeWriterCache(source, translator, name === onlyWriter ? "options.translator" : `${parameter}.translator`),
  };
}
