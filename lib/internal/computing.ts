/** Where models are computed and by how many threads, from what a caller asked for and what the machine has. */

import { statSync } from "node:fs";
import { type GpuChoice, loadGpu } from "./load-binding.js";
import type { GpuOption, ModelSource } from "./model-source.js";
import { chooseThreads, threadsForWeights } from "./threads.js";

const allLayers = -1;

export interface Computing {
  readonly gpu: GpuChoice;
  readonly threads: number;
  /** As the binding takes it; negative is all. */
  gpuLayers(source: { readonly gpuLayers?: ModelSource["gpuLayers"] | undefined }): number;
}

/**
 * Loads the GPU back end, and chooses the threads by the size of `path` where none were asked for.
 *
 * @throws BindingError ERR_GPU_UNAVAILABLE, and what `loadBinding` throws
 */
export function chooseComputing(
  asked: { readonly gpu: GpuOption; readonly threads?: number | undefined },
  path: string,
): Computing {
  const gpu = loadGpu(asked.gpu);
  return {
    gpu,
    threads: asked.threads ?? threadsForWeights(chooseThreads().threads, fileBytes(path)),
    gpuLayers: ({ gpuLayers }) =>
      gpu.kind === false ? 0 : gpuLayers === undefined || gpuLayers === "all" ? allLayers : gpuLayers,
  };
}

/** A file that cannot be read is the native side's to report. */
function fileBytes(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
