/**
 * A GGUF file in the pieces that a mutation works on: an entry of the metadata or a tensor's description each, with the
 * places of all numbers in it, so that one of them can be changed, removed or doubled and the rest stays a sound file.
 */

import { isScalarType, type ScalarType, scalarCodecs, valueTypeCodes } from "../../../test/support/gguf-format.js";
import { below, joined, putInteger, readInteger } from "./mutation.js";

/** What a number in a piece says. */
export type FieldRole =
  | "name length"
  | "type"
  | "element type"
  | "count"
  | "text length"
  | "value"
  | "dimensions"
  | "size"
  | "tensor type"
  | "offset";

export interface Field {
  readonly role: FieldRole;
  /** Bytes into the piece. */
  readonly at: number;
  readonly sizeBytes: 1 | 2 | 4 | 8;
  readonly isFloat: boolean;
}

export interface Piece {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly fields: readonly Field[];
}

export interface GgufParts {
  readonly version: number;
  readonly entries: readonly Piece[];
  readonly tensors: readonly Piece[];
  readonly data: Uint8Array;
  readonly alignment: number;
}

const headerBytes = 24;
const utf8 = new TextDecoder();
const floats: readonly string[] = ["f32", "f64"] satisfies readonly ScalarType[];

/** Walks over a piece and notes its numbers; a piece begins where the walker is made. */
class Walker {
  readonly fields: Field[] = [];

  constructor(
    readonly bytes: Uint8Array,
    readonly begin: number,
    public at: number = begin,
  ) {}

  number(role: FieldRole, sizeBytes: 4 | 8): number {
    this.fields.push({ role, at: this.at - this.begin, sizeBytes, isFloat: false });
    const value = Number(readInteger(this.bytes, this.at, sizeBytes));
    this.at += sizeBytes;
    return value;
  }

  text(role: FieldRole): string {
    const length = this.number(role, 8);
    this.at += length;
    return utf8.decode(this.bytes.subarray(this.at - length, this.at));
  }

  scalar(code: number): void {
    const type = typeOfCode(code);
    if (type === "string") {
      this.text("text length");
      return;
    }
    const sizeBytes = scalarCodecs[type].sizeBytes as Field["sizeBytes"];
    this.fields.push({ role: "value", at: this.at - this.begin, sizeBytes, isFloat: floats.includes(type) });
    this.at += sizeBytes;
  }

  piece(name: string): Piece {
    return { name, bytes: this.bytes.slice(this.begin, this.at), fields: this.fields };
  }
}

function typeOfCode(code: number): ScalarType {
  const [type] = Object.entries(valueTypeCodes).find(([, known]) => known === code) ?? [];
  if (type === undefined || !isScalarType(type)) throw new Error(`no scalar type has code ${code}`);
  return type;
}

function entryAt(bytes: Uint8Array, at: number): readonly [Piece, end: number] {
  const walker = new Walker(bytes, at);
  const name = walker.text("name length");
  const code = walker.number("type", 4);
  if (code === valueTypeCodes.array) {
    const of = walker.number("element type", 4);
    for (let n = walker.number("count", 8); n > 0; n--) walker.scalar(of);
  } else walker.scalar(code);
  return [walker.piece(name), walker.at];
}

function tensorAt(bytes: Uint8Array, at: number): readonly [Piece, end: number] {
  const walker = new Walker(bytes, at);
  const name = walker.text("name length");
  for (let n = walker.number("dimensions", 4); n > 0; n--) walker.number("size", 8);
  walker.number("tensor type", 4);
  walker.number("offset", 8);
  return [walker.piece(name), walker.at];
}

/** Takes a sound file apart. Throws for what is none. */
export function splitGguf(bytes: Uint8Array): GgufParts {
  let at = headerBytes;
  const many = (count: number, read: typeof entryAt): Piece[] =>
    Array.from({ length: count }, () => {
      const [piece, end] = read(bytes, at);
      at = end;
      return piece;
    });
  const nTensors = Number(readInteger(bytes, 8, 8));
  const entries = many(Number(readInteger(bytes, 16, 8)), entryAt);
  const tensors = many(nTensors, tensorAt);
  const given = entries.find(({ name }) => name === "general.alignment");
  const alignment = given ? Number(readInteger(given.bytes, given.bytes.length - 4, 4)) : 32;
  const data = bytes.slice(Math.min(bytes.length, Math.ceil(at / alignment) * alignment));
  return { version: Number(readInteger(bytes, 4, 4)), entries, tensors, data, alignment };
}

/** Puts the pieces together, with the counts and the padding that they need. */
export function joinGguf({ version, entries, tensors, data, alignment }: GgufParts): Uint8Array {
  const header = new Uint8Array(headerBytes);
  header.set(new TextEncoder().encode("GGUF"));
  putInteger(header, 4, 4, BigInt(version));
  putInteger(header, 8, 8, BigInt(tensors.length));
  putInteger(header, 16, 8, BigInt(entries.length));
  const head = joined(header, ...entries.map(({ bytes }) => bytes), ...tensors.map(({ bytes }) => bytes));
  return joined(head, new Uint8Array((alignment - (head.length % alignment)) % alignment), data);
}

/** An index of a field: the first ones, which say how the rest is read, as often as all others together. */
export const anyField = (random: () => number, { fields }: Piece): Field | undefined =>
  fields[below(random, random() < 0.5 ? Math.min(4, fields.length) : fields.length)];
