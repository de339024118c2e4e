/** Where models come from and where they run: options that every room that loads models has. */

/** A device family to run on, `"auto"` for the best one that is installed, or `false` for the CPU alone. */
export type GpuOption = "auto" | "cuda" | "metal" | "vulkan" | false;

/** `"auto"` for the package's own matrix kernels where they are faster, `false` for ggml's alone. */
export type KernelOption = "auto" | false;

/** Where one model comes from and where it runs. */
export interface ModelSource {
  /** Path or `file:` URL of a GGUF file (for a sharded model: of its first shard). */
  readonly model: string | URL;
  /**
   * Layers to put on the GPU: 0 or more, or `"all"`.
   * @default "all" if a GPU back end was found, else 0
   */
  readonly gpuLayers?: number | "all" | undefined;
  /**
   * Maps the file into memory instead of reading it: the load is quicker, and processes that have the same model open
   * share its memory. The file must then stay as it is for as long as the model is in use: one that is cut short ends the
   * process with SIGBUS, and one that is written over changes the weights. A file that is read may be changed, replaced
   * or removed once it is loaded.
   * @default false
   */
  readonly mmap?: boolean | undefined;
}
