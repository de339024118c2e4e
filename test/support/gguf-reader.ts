/**
 * Reads GGUF files (versions 2 and 3, little-endian) that a test trusts: its own and llama.cpp's vocabulary files. Checks
 * no more than the magic; what a hostile file does to the package is tested through the package.
 */

import { readFile } from "node:fs/promises";
import {
  type GgufArray,
  type GgufScalar,
  type GgufValue,
  ggufAlignment,
  ggufMagic,
  isScalarType,
  padTo,
  type Scalar,
  type ScalarType,
  scalarCodecs,
  valueTypeCodes,
} from "./gguf-format.js";
import { decodeValues, encodedBytes, type TensorType, tensorTypeOfCode } from "./tensor-encoding.js";

export interface GgufTensorInfo {
  readonly name: string;
  /** Undefined for a type that fixtures are not written in. */
  readonly type: TensorType | undefined;
  readonly typeCode: number;
  /** Sizes, contiguous dimension first. */
  readonly dims: readonly number[];
  /** Bytes into the data section. */
  readonly offset: number;
}

export interface GgufContents {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly GgufTensorInfo[];
  /** Byte offset of the data section. */
  readonly dataOffset: number;
  readonly bytes: Uint8Array;
}

/** Reads a whole file. Throws what `fs.readFile` and {@link decodeGguf} throw. */
export async function readGguf(path: string): Promise<GgufContents> {
  return decodeGguf(await readFile(path));
}

/** Decodes a file held in memory. Throws an Error on a wrong magic, a RangeError on a file that ends too early. */
export function decodeGguf(bytes: Uint8Array): GgufContents {
  const input = new ByteReader(bytes);
  if (input.number("u32") !== ggufMagic) throw new Error("not a GGUF file");
  const version = input.number("u32");
  const nTensors = input.number("u64");
  const nEntries = input.number("u64");
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < nEntries; i++) metadata.set(input.text(), input.value());
  const tensors = Array.from({ length: nTensors }, (): GgufTensorInfo => {
    const name = input.text();
    const dims = Array.from({ length: input.number("u32") }, () => input.number("u64"));
    const typeCode = input.number("u32");
    return { name, type: tensorTypeOfCode(typeCode), typeCode, dims, offset: input.number("u64") };
  });
  const alignment = metadata.get("general.alignment");
  const dataOffset = padTo(input.position, alignment?.type === "u32" ? alignment.value : ggufAlignment);
  return { version, metadata, tensors, dataOffset, bytes };
}

/** A tensor's values as llama.cpp computes with them. Throws an Error for an unknown name or type. */
export function tensorValues(contents: GgufContents, name: string): Float32Array {
  const info = contents.tensors.find((tensor) => tensor.name === name);
  if (!info?.type) throw new Error(info ? `tensor ${name} has type ${info.typeCode}` : `no tensor ${name}`);
  const nValues = info.dims.reduce((product, size) => product * size, 1);
  const begin = contents.dataOffset + info.offset;
  return decodeValues(info.type, contents.bytes.subarray(begin, begin + encodedBytes(info.type, nValues)));
}

const utf8 = new TextDecoder();

/** A cursor over little-endian bytes. */
class ByteReader {
  position = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  number(type: "u32" | "u64"): number {
    return Number(this.#scalar(type));
  }

  text(): string {
    const size = this.number("u64");
    if (this.position + size > this.#bytes.length) throw new RangeError("the file ends inside a string");
    const begin = this.position;
    this.position += size;
    return utf8.decode(this.#bytes.subarray(begin, this.position));
  }

  value(): GgufValue {
    const type = this.#valueType();
    if (type !== "array") return { type, value: this.#scalar(type) } as GgufScalar;
    const of = this.#valueType();
    if (of === "array") throw new Error("GGUF has no nested arrays in practice");
    const values = Array.from({ length: this.number("u64") }, () => this.#scalar(of));
    return { type, of, values } as GgufArray;
  }

  #valueType(): ScalarType | "array" {
    const code = this.number("u32");
    const type = Object.entries(valueTypeCodes).find(([, known]) => known === code)?.[0];
    if (type === "array" || (type !== undefined && isScalarType(type))) return type;
    throw new Error(`unknown metadata value type ${code}`);
  }

  #scalar(type: ScalarType): Scalar {
    if (type === "string") return this.text();
    const { sizeBytes, get } = scalarCodecs[type];
    const value = get(this.#view, this.position);
    this.position += sizeBytes;
    return value;
  }
}
