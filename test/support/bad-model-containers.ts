/** Bad models whose GGUF container is broken: cut short, counting wrong, or claiming what is not there. */

import type { BadModelCase } from "./bad-model-case.js";
import { type GgufValue, text, u32, valueTypeCodes } from "./gguf-format.js";
import { type EncodedGguf, encodeGguf, type GgufFile, type GgufTensor } from "./gguf-writer.js";
import { tinyModel } from "./tiny-model.js";

/** Where the two counts stand in the header. */
const countOffsets = { tensors: 8, metadata: 16 } as const;

export async function containerCases(): Promise<BadModelCase[]> {
  const { file } = await tinyModel();
  const whole = encodeGguf(file);
  const variant = (title: string, change: Partial<GgufFile>): BadModelCase => ({
    title,
    bytes: encodeGguf({ ...file, ...change }).bytes,
  });
  return [
    ...notGguf(),
    ...truncated(whole),
    ...absurdCounts(whole),
    ...badMetadata(file, variant),
    ...badTensors(file, variant),
  ];
}

type Variant = (title: string, change: Partial<GgufFile>) => BadModelCase;

function notGguf(): BadModelCase[] {
  const header = (claims: GgufFile["claims"]) =>
    encodeGguf({ metadata: [], tensors: [], ...(claims && { claims }) }).bytes;
  return [
    { title: "nothing in it", bytes: new Uint8Array() },
    { title: "three bytes", bytes: header(undefined).subarray(0, 3) },
    { title: "text in it", bytes: new TextEncoder().encode("This is no model, but a note to whoever opens it.\n") },
    { title: "a wrong magic", bytes: header({ magic: 0x4c4d4747 }) },
    { title: "version 0", bytes: header({ version: 0 }) },
    { title: "version 1", bytes: header({ version: 1 }) },
    { title: "version 999", bytes: header({ version: 999 }) },
    { title: "the other byte order", bytes: header({ version: 0x03000000 }) },
    { title: "neither metadata nor tensors", bytes: header(undefined) },
  ];
}

function truncated({ bytes, sections, entries }: EncodedGguf): BadModelCase[] {
  const inside = entries.find(({ key }) => key.endsWith(".embedding_length")) ?? { keyOffset: 0, typeOffset: 0 };
  const tokens = entries.find(({ key }) => key === "tokenizer.ggml.tokens") ?? { typeOffset: 0 };
  const cuts: [place: string, size: number][] = [
    ["after the magic", 4],
    ["inside the tensor count", countOffsets.tensors + 3],
    ["after the header", sections.metadata],
    ["inside the first key's length", sections.metadata + 5],
    ["inside a metadata key", inside.keyOffset + 12],
    ["inside a metadata type", inside.typeOffset + 2],
    ["inside a metadata value", inside.typeOffset + 6],
    ["inside an array", tokens.typeOffset + 64],
    ["after the metadata", sections.tensorInfos],
    ["inside a tensor's name", sections.tensorInfos + 12],
    ["inside the tensor infos", Math.floor((sections.tensorInfos + sections.data) / 2)],
    ["after the tensor infos", sections.data],
    ["inside the tensor data", Math.floor((sections.data + sections.end) / 2)],
    ["one value before the end", sections.end - 4],
  ];
  return cuts.map(([place, size]) => ({ title: `an end ${place}`, bytes: bytes.slice(0, size) }));
}

/** Counts and lengths that no file could hold, written over the true ones. */
function absurdCounts({ bytes, sections, entries }: EncodedGguf): BadModelCase[] {
  const typeOffset = (wanted: string) => entries.find(({ key }) => key === wanted)?.typeOffset ?? 0;
  const name = typeOffset("general.name") + 4; // after the type code comes the length
  const tokens = typeOffset("tokenizer.ggml.tokens") + 8; // after both type codes comes the count
  const scores = typeOffset("tokenizer.ggml.scores") + 8;
  const edits: [title: string, at: number, value: bigint][] = [
    ["2^60 tensors", countOffsets.tensors, 2n ** 60n],
    ["2^40 tensors", countOffsets.tensors, 2n ** 40n],
    ["-1 tensors", countOffsets.tensors, 2n ** 64n - 1n],
    [
      "one tensor too many",
      countOffsets.tensors,
      new DataView(bytes.buffer).getBigUint64(countOffsets.tensors, true) + 1n,
    ],
    ["2^60 metadata entries", countOffsets.metadata, 2n ** 60n],
    ["2^40 metadata entries", countOffsets.metadata, 2n ** 40n],
    ["a key of 2^62 bytes", sections.metadata, 2n ** 62n],
    ["a string of 2^62 bytes", name, 2n ** 62n],
    ["a string of 2^31 bytes", name, 2n ** 31n],
    ["an array of 2^62 strings", tokens, 2n ** 62n],
    ["an array of 2^30 strings", tokens, 2n ** 30n],
    ["an array of 2^62 numbers", scores, 2n ** 62n],
    ["a tensor name of 2^62 bytes", sections.tensorInfos, 2n ** 62n],
  ];
  return edits.map(([title, at, value]) => {
    const edited = bytes.slice();
    new DataView(edited.buffer).setBigUint64(at, value, true);
    return { title, bytes: edited };
  });
}

function badMetadata({ metadata }: GgufFile, variant: Variant): BadModelCase[] {
  const withEntry = (title: string, key: string, value: GgufValue) =>
    variant(title, { metadata: [...metadata, [key, value]] });
  return [
    withEntry("a metadata key twice", "llama.block_count", u32(2)),
    withEntry("an empty metadata key", "", u32(2)),
    withEntry("a metadata key that begins with a zero", "\0", u32(2)),
    withEntry("an alignment of 0", "general.alignment", u32(0)),
    withEntry("an alignment of 48", "general.alignment", u32(48)),
    withEntry("an alignment that is a string", "general.alignment", text("32")),
    retyped(withEntry("a value of unknown type", "general.note", u32(7)), 99),
    retyped(withEntry("an array of unknown type", "general.note", u32(7)), valueTypeCodes.array),
  ];
}

/** Puts another type code before the one value of `general.note`. */
function retyped(bad: BadModelCase, typeCode: number): BadModelCase {
  const at = Buffer.from(bad.bytes).indexOf("general.note") + "general.note".length;
  new DataView(bad.bytes.buffer, bad.bytes.byteOffset).setUint32(at, typeCode, true);
  return bad;
}

function badTensors({ tensors }: GgufFile, variant: Variant): BadModelCase[] {
  // The last one: what is wrong with it is not found out by the offset of the next.
  const wanted = tensors.at(-1)?.name;
  const edited = (title: string, edit: (tensor: GgufTensor) => GgufTensor) =>
    variant(title, { tensors: tensors.map((tensor) => (tensor.name === wanted ? edit(tensor) : tensor)) });
  const claiming = (title: string, claims: NonNullable<GgufTensor["claims"]>) =>
    edited(title, (tensor) => ({ ...tensor, claims }));
  return [
    claiming("a tensor with a dimension of 0", { dims: [64n, 0n] }),
    claiming("a tensor with a dimension of 2^62", { dims: [64n, 2n ** 62n] }),
    claiming("a tensor with a dimension of -1", { dims: [64n, 2n ** 64n - 1n] }),
    claiming("a tensor with more values than the file", { dims: [64n, 2n ** 40n] }),
    claiming("a tensor without dimensions", { dims: [] }),
    claiming("a tensor with nine dimensions", { dims: Array.from({ length: 9 }, () => 1n) }),
    claiming("a tensor of an unknown type", { typeCode: 99 }),
    claiming("a tensor of a retired type", { typeCode: 4 }),
    claiming("a tensor of type -1", { typeCode: 0xffffffff }),
    claiming("a tensor offset beyond the file", { offset: 2n ** 40n }),
    claiming("a tensor offset near 2^64", { offset: 2n ** 64n - 64n }),
    claiming("a tensor offset off the alignment", { offset: 7n }),
    claiming("two tensors at one offset", { offset: 0n }),
    edited("a tensor name twice", (tensor) => ({ ...tensor, name: "blk.1.ffn_gate.weight" })),
    edited("a tensor name of 200 bytes", (tensor) => ({ ...tensor, name: "x".repeat(200) })),
    edited("an empty tensor name", (tensor) => ({ ...tensor, name: "" })),
  ];
}
