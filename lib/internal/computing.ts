/** Where models are computed and by how many threads, from what a caller asked for and what the machine has. */

import { statSync } from "node:fs";
import type { NativeModelOptions } from "./binding-types.js";
import { type GpuChoice, loadGpu } from "./load-binding.js";
import type { GpuOption, KernelOption, ModelSource } from "./model-source.js";
import { chooseThreads, threadsForWeights } from "./threads.js";

const allLayers = -1;

/** What a caller may say of a model beside its path. */
export interface AskedModel {
  readonly gpuLayers?: ModelSource["gpuLayers"] | undefined;
  readonly mmap?: ModelSource["mmap"] | undefined;
}

export interface Computing {
  readonly gpu: GpuChoice;
  readonly threads: number;
  /** A model as the binding takes it. */
  modelAt(path: string, source: AskedModel): NativeModelOptions;
}

/**
 * Loads the GPU back end, and chooses the threads by the size of `path` where none were asked for.
 *
 * @throws BindingError ERR_GPU_UNAVAILABLE, and what `loadBinding` throws
 */
export function chooseComputing(
  asked: {
    readonly gpu: GpuOption;
    readonly threads?: number | undefined;
    readonly kernels?: KernelOption | undefined;
  },
  path: string,
): Computing {
  const gpu = loadGpu(asked.gpu);
  return {
    gpu,
    threads: chooseThreadsFor(path, asked.threads),
    modelAt: (file, { gpuLayers = "all", mmap = false }) => ({
      path: file,
      gpuLayers: gpu.kind === false ? 0 : gpuLayers === "all" ? allLayers : gpuLayers,
      mmap,
      kernels: asked.kernels !== false,
    }),
  };
}

/** The threads that were asked for, else as many as the machine has for a model of this file's size. */
export function chooseThreadsFor(path: string, asked?: number): number {
  return asked ?? threadsForWeights(chooseThreads().threads, sizeOf(path));
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    // No such file, a file in place of a folder, a name that is too long: the native side reports it with a code.
    return 0;
  }
}
