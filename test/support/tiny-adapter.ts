/** Random LoRA adapters of tiny models, as llama.cpp's `convert_lora_to_gguf.py` writes them, and models they are merged into. */

import { f32, type GgufMetadata, type GgufValue, text } from "./gguf-format.js";
import { type EncodedGguf, type GgufTensor, writeGguf } from "./gguf-writer.js";
import { mulberry32 } from "./random.js";
import { type TinyModelOptions, tinyModel } from "./tiny-model.js";

export interface TinyAdapterOptions {
  /** The model that it is for. @default {} */
  readonly model?: TinyModelOptions;
  /** @default 1 */
  readonly seed?: number;
  /** @default 4 */
  readonly rank?: number;
  /** @default 8 */
  readonly alpha?: number;
  /** Which matrices it changes. @default the projections of attention and of the feed-forward networks */
  readonly changes?: RegExp;
  /** Entries to add or to put in place of the generated ones; `undefined` takes one out. */
  readonly metadata?: Readonly<Record<string, GgufValue | undefined>>;
  /** Alters the tensor list, for broken adapters. */
  readonly tensorEdit?: (tensors: GgufTensor[]) => GgufTensor[];
}

const projections = /^blk\.\d+\.(attn_(q|k|v|output)|ffn_(gate|up|down))\.weight$/;

/** Writes an adapter. */
export async function writeTinyAdapter(path: string, options: TinyAdapterOptions = {}): Promise<EncodedGguf> {
  const { alpha = 8, model = {} } = options;
  const tensors = await factors(options);
  const entries = new Map<string, GgufValue>([
    ["general.architecture", text(model.architecture ?? "llama")],
    ["general.type", text("adapter")],
    ["adapter.type", text("lora")],
    ["adapter.lora.alpha", f32(alpha)],
  ]);
  for (const [key, value] of Object.entries(options.metadata ?? {})) {
    if (value) entries.set(key, value);
    else entries.delete(key);
  }
  const metadata: GgufMetadata = [...entries];
  return writeGguf(path, { metadata, tensors: options.tensorEdit?.(tensors) ?? tensors });
}

/** A `tensorEdit` for the model that is what the model is with the adapter. */
export async function merging(
  options: TinyAdapterOptions,
  scale = 1,
): Promise<(tensors: GgufTensor[]) => GgufTensor[]> {
  const { alpha = 8, rank = 4 } = options;
  const values = new Map((await factors(options)).map((tensor) => [tensor.name, tensor.values]));
  return (tensors) =>
    tensors.map((tensor) => {
      const a = values.get(`${tensor.name}.lora_a`);
      const b = values.get(`${tensor.name}.lora_b`);
      const [columns = 0] = tensor.dims;
      if (!a || !b) return tensor;
      const merged = tensor.values.map((value, i) => {
        const [row, column] = [Math.floor(i / columns), i % columns];
        let sum = 0;
        for (let k = 0; k < rank; k++) sum += (b[row * rank + k] ?? 0) * (a[k * columns + column] ?? 0);
        return value + ((scale * alpha) / rank) * sum;
      });
      return { ...tensor, values: merged };
    });
}

/** A of [columns, rank] and B of [rank, rows] for each of the model's matrices that change. */
async function factors({ model = {}, seed = 1, rank = 4, changes = projections }: TinyAdapterOptions) {
  const { file } = await tinyModel(model);
  const random = mulberry32(seed);
  const factor = (name: string, dims: readonly [number, number]): GgufTensor => ({
    name,
    type: "f32",
    dims,
    values: Float32Array.from({ length: dims[0] * dims[1] }, () => ((random() - 0.5) * 3) / Math.sqrt(dims[0])),
  });
  return file.tensors
    .filter(({ name }) => changes.test(name))
    .flatMap(({ name, dims: [columns = 1, rows = 1] }) => [
      factor(`${name}.lora_a`, [columns, rank]),
      factor(`${name}.lora_b`, [rank, rows]),
    ]);
}
