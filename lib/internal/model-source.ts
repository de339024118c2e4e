/** Where models come from and where they run: options that every room that loads models has. */

/** A device family to run on, `"auto"` for the best one that is installed, or `false` for the CPU alone. */
export type GpuOption = "auto" | "cuda" | "metal" | "vulkan" | false;

/** Where one model comes from and where it runs. */
export interface ModelSource {
  /** Path or `file:` URL of a GGUF file (for a sharded model: of its first shard). */
  readonly model: string | URL;
  /**
   * Layers to put on the GPU: 0 or more, or `"all"`.
   * @default "all" if a GPU back end was found, else 0
   */
  readonly gpuLayers?: number | "all" | undefined;
}
