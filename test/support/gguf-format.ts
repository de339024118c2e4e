/**
 * The GGUF container's vocabulary, shared by the writer and the reader of the test fixtures.
 *
 * A file is, little-endian and in this order:
 *
 *     header       "GGUF", u32 version, u64 tensor count, u64 metadata count
 *     metadata     per entry: string key, u32 value type, value   (array: u32 element type, u64 count, elements)
 *     tensor infos per tensor: string name, u32 dimension count, u64 dimensions, u32 type, u64 offset into the data
 *     data         tensors back to back, each one padded to the alignment (32 bytes unless the metadata says otherwise)
 *
 * A string is a u64 byte length and that many bytes of UTF-8. Dimensions start with the contiguous one, as in ggml.
 */

/** `"GGUF"` as the little-endian u32 that opens a file. */
export const ggufMagic = 0x46554747;
export const ggufVersion = 3;
export const ggufAlignment = 32;
/** Bytes of magic, version and the two counts. */
export const ggufHeaderBytes = 24;

/** Codes of the metadata value types on disk. */
export const valueTypeCodes = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
} as const;

/** What each scalar value type is in JavaScript. */
interface ScalarTypes {
  u8: number;
  i8: number;
  u16: number;
  i16: number;
  u32: number;
  i32: number;
  f32: number;
  bool: boolean;
  string: string;
  u64: bigint;
  i64: bigint;
  f64: number;
}

export type ScalarType = keyof ScalarTypes;
export type Scalar = ScalarTypes[ScalarType];

export type GgufScalar = { [T in ScalarType]: { readonly type: T; readonly value: ScalarTypes[T] } }[ScalarType];
export type GgufArray = {
  [T in ScalarType]: { readonly type: "array"; readonly of: T; readonly values: readonly ScalarTypes[T][] };
}[ScalarType];
export type GgufValue = GgufScalar | GgufArray;

/** Ordered and free to hold a key twice, as the format is: broken files need that. */
export type GgufMetadata = readonly (readonly [key: string, value: GgufValue])[];

export const u8 = (value: number): GgufValue => ({ type: "u8", value });
export const u16 = (value: number): GgufValue => ({ type: "u16", value });
export const u32 = (value: number): GgufValue => ({ type: "u32", value });
export const i32 = (value: number): GgufValue => ({ type: "i32", value });
export const u64 = (value: bigint): GgufValue => ({ type: "u64", value });
export const f32 = (value: number): GgufValue => ({ type: "f32", value });
export const bool = (value: boolean): GgufValue => ({ type: "bool", value });
export const text = (value: string): GgufValue => ({ type: "string", value });
export const textArray = (values: readonly string[]): GgufValue => ({ type: "array", of: "string", values });
export const i32Array = (values: readonly number[]): GgufValue => ({ type: "array", of: "i32", values });
export const u32Array = (values: readonly number[]): GgufValue => ({ type: "array", of: "u32", values });
export const f32Array = (values: readonly number[]): GgufValue => ({ type: "array", of: "f32", values });
export const boolArray = (values: readonly boolean[]): GgufValue => ({ type: "array", of: "bool", values });
export const u8Array = (values: readonly number[]): GgufValue => ({ type: "array", of: "u8", values });

/** A fixed-size value on disk. */
interface ScalarCodec {
  readonly sizeBytes: number;
  readonly get: (view: DataView, at: number) => Scalar;
  readonly set: (view: DataView, at: number, value: Scalar) => void;
}

/** How every value type but strings lies on disk. */
export const scalarCodecs: Record<Exclude<ScalarType, "string">, ScalarCodec> = {
  u8: { sizeBytes: 1, get: (v, at) => v.getUint8(at), set: (v, at, x) => v.setUint8(at, Number(x)) },
  i8: { sizeBytes: 1, get: (v, at) => v.getInt8(at), set: (v, at, x) => v.setInt8(at, Number(x)) },
  bool: { sizeBytes: 1, get: (v, at) => v.getUint8(at) !== 0, set: (v, at, x) => v.setUint8(at, x ? 1 : 0) },
  u16: { sizeBytes: 2, get: (v, at) => v.getUint16(at, true), set: (v, at, x) => v.setUint16(at, Number(x), true) },
  i16: { sizeBytes: 2, get: (v, at) => v.getInt16(at, true), set: (v, at, x) => v.setInt16(at, Number(x), true) },
  u32: { sizeBytes: 4, get: (v, at) => v.getUint32(at, true), set: (v, at, x) => v.setUint32(at, Number(x), true) },
  i32: { sizeBytes: 4, get: (v, at) => v.getInt32(at, true), set: (v, at, x) => v.setInt32(at, Number(x), true) },
  f32: { sizeBytes: 4, get: (v, at) => v.getFloat32(at, true), set: (v, at, x) => v.setFloat32(at, Number(x), true) },
  u64: {
    sizeBytes: 8,
    get: (v, at) => v.getBigUint64(at, true),
    set: (v, at, x) => v.setBigUint64(at, BigInt(x), true),
  },
  i64: { sizeBytes: 8, get: (v, at) => v.getBigInt64(at, true), set: (v, at, x) => v.setBigInt64(at, BigInt(x), true) },
  f64: { sizeBytes: 8, get: (v, at) => v.getFloat64(at, true), set: (v, at, x) => v.setFloat64(at, Number(x), true) },
};

export const isScalarType = (type: string): type is ScalarType => type in valueTypeCodes && type !== "array";

/** The next multiple of `alignment`, a power of two, that is not below `size`. */
export const padTo = (size: number, alignment: number): number => Math.ceil(size / alignment) * alignment;
