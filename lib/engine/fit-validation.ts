/** Checks what callers hand over to a fit; as validation.ts does for a pair. */

import { z } from "zod";
import { callback, check, gpu, modelSource, path, signal, threads } from "../internal/check-options.js";
import { layerMap } from "./validation.js";

const fitSchema = z.strictObject({
  prefill: modelSource,
  decode: modelSource,
  text: path,
  out: path,
  layers: layerMap.optional(),
  maps: z.enum(["separate", "common"]).default("separate"),
  beforeRope: z.boolean().default(true),
  chunkSize: z.int().min(32).max(8192).optional(),
  maxTokens: z.int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
  lambda: z.number().min(0).max(1000).default(1e-4),
  heldOut: z.number().min(0.01).max(0.5).default(0.1),
  weightType: z.enum(["f32", "f16", "q8_0"]).default("f16"),
  threads: threads.optional(),
  gpu: gpu.default("auto"),
  onProgress: callback.optional(),
  signal: signal.optional(),
});

export const checkFitOptions = (value: unknown) => check(fitSchema, value, "options");
