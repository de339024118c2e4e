/**
 * Writes GGUF version 3 files for tests, and says where each section and each metadata entry begins, so that a test can
 * cut or corrupt a file at any of them. What a header or a tensor claims can be set apart from what is stored: broken
 * files are made by lying.
 */

import { writeFile } from "node:fs/promises";
import {
  type GgufMetadata,
  type GgufValue,
  ggufAlignment,
  ggufMagic,
  ggufVersion,
  padTo,
  type Scalar,
  type ScalarType,
  scalarCodecs,
  valueTypeCodes,
} from "./gguf-format.js";
import { encodeValues, type TensorType, tensorTypes } from "./tensor-encoding.js";

export interface GgufTensor {
  readonly name: string;
  readonly type: TensorType;
  /** Sizes, contiguous dimension first: `[columns, rows]` for a matrix. Their product is the number of values. */
  readonly dims: readonly number[];
  readonly values: Float32Array;
  /** What the tensor info says instead of the truth, for broken files. */
  readonly claims?: {
    readonly dims?: readonly bigint[];
    readonly typeCode?: number;
    /** Bytes into the data section. */
    readonly offset?: bigint;
  };
}

export interface GgufFile {
  readonly metadata: GgufMetadata;
  readonly tensors: readonly GgufTensor[];
  /** What the header says instead of the truth, for broken files. */
  readonly claims?: {
    readonly magic?: number;
    readonly version?: number;
    readonly tensorCount?: bigint;
    readonly metadataCount?: bigint;
  };
}

/** Byte offsets of the sections; `end` is the file's size. */
export interface GgufSections {
  readonly header: number;
  readonly metadata: number;
  readonly tensorInfos: number;
  readonly data: number;
  readonly end: number;
}

export interface EncodedGguf {
  readonly bytes: Uint8Array;
  readonly sections: GgufSections;
  /** Per metadata entry, in the file's order: where its key begins (the length first) and where its type code does. */
  readonly entries: readonly { readonly key: string; readonly keyOffset: number; readonly typeOffset: number }[];
}

/** Encodes a file in memory. Throws a RangeError if a tensor's values do not match its dimensions or its block size. */
export function encodeGguf(file: GgufFile): EncodedGguf {
  const out = new ByteWriter();
  const claims = file.claims ?? {};
  out.scalar("u32", claims.magic ?? ggufMagic);
  out.scalar("u32", claims.version ?? ggufVersion);
  out.scalar("u64", claims.tensorCount ?? BigInt(file.tensors.length));
  out.scalar("u64", claims.metadataCount ?? BigInt(file.metadata.length));

  const metadata = out.length;
  const entries = file.metadata.map(([key, value]) => {
    const keyOffset = out.length;
    out.scalar("string", key);
    const typeOffset = out.length;
    out.value(value);
    return { key, keyOffset, typeOffset };
  });

  const tensorInfos = out.length;
  const alignment = alignmentOf(file.metadata);
  const blobs = file.tensors.map((tensor) => encodeTensorData(tensor));
  let offset = 0;
  file.tensors.forEach((tensor, i) => {
    const dims = tensor.claims?.dims ?? tensor.dims.map(BigInt);
    out.scalar("string", tensor.name);
    out.scalar("u32", dims.length);
    for (const size of dims) out.scalar("u64", size);
    out.scalar("u32", tensor.claims?.typeCode ?? tensorTypes[tensor.type].code);
    out.scalar("u64", tensor.claims?.offset ?? BigInt(offset));
    offset += padTo(blobs[i]?.length ?? 0, alignment);
  });

  if (file.tensors.length > 0) out.pad(alignment);
  const data = out.length;
  for (const blob of blobs) {
    out.raw(blob);
    out.pad(alignment);
  }
  return { bytes: out.bytes(), sections: { header: 0, metadata, tensorInfos, data, end: out.length }, entries };
}

/** Writes a file and returns where its parts lie. Throws as {@link encodeGguf} and `fs.writeFile` do. */
export async function writeGguf(path: string, file: GgufFile): Promise<EncodedGguf> {
  const encoded = encodeGguf(file);
  await writeFile(path, encoded.bytes);
  return encoded;
}

function encodeTensorData({ name, type, dims, values }: GgufTensor): Uint8Array {
  const nValues = dims.reduce((product, size) => product * size, 1);
  if (nValues !== values.length)
    throw new RangeError(`tensor ${name}: dimensions ${dims.join(" x ")} need ${nValues} values, got ${values.length}`);
  const columns = dims[0] ?? 1;
  if (columns % tensorTypes[type].blockValues !== 0)
    throw new RangeError(`tensor ${name}: rows of ${columns} values do not fill whole ${type} blocks`);
  return encodeValues(type, values);
}

/** An alignment that no reader would accept is written as claimed, but laid out as the default. */
function alignmentOf(metadata: GgufMetadata): number {
  const claimed = metadata.find(([key]) => key === "general.alignment")?.[1];
  const isPowerOfTwo = (size: number) => size > 0 && (size & (size - 1)) === 0;
  return claimed?.type === "u32" && isPowerOfTwo(claimed.value) ? claimed.value : ggufAlignment;
}

const utf8 = new TextEncoder();

/** A byte buffer that grows as it is written to. */
class ByteWriter {
  #bytes = new Uint8Array(1 << 16);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  value(value: GgufValue): void {
    this.scalar("u32", valueTypeCodes[value.type]);
    if (value.type !== "array") {
      this.scalar(value.type, value.value);
      return;
    }
    this.scalar("u32", valueTypeCodes[value.of]);
    this.scalar("u64", BigInt(value.values.length));
    for (const element of value.values) this.scalar(value.of, element);
  }

  scalar(type: ScalarType, value: Scalar): void {
    if (type === "string") {
      const encoded = utf8.encode(String(value));
      this.scalar("u64", BigInt(encoded.length));
      this.raw(encoded);
      return;
    }
    const { sizeBytes, set } = scalarCodecs[type];
    this.#reserve(sizeBytes);
    set(this.#view, this.#length, value);
    this.#length += sizeBytes;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  pad(alignment: number): void {
    this.raw(new Uint8Array(padTo(this.#length, alignment) - this.#length));
  }

  #reserve(nBytes: number): void {
    if (this.#length + nBytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#length + nBytes, this.#bytes.length * 2));
    grown.set(this.bytes());
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}
