/**
 * The tensor types that fixtures are written in, with encoders and decoders that match ggml's block layouts bit for bit
 * (`quantize_row_*_ref` in ggml-quants.c):
 *
 *     f32   4 bytes a value
 *     f16   IEEE half, rounded to nearest even
 *     bf16  upper half of the f32, rounded to nearest even
 *     q8_0  32 values: f16 scale d = max|x| / 127, then 32 signed bytes round(x / d)
 *     q4_0  32 values: f16 scale d = m / -8, m the value of largest magnitude with its sign; then 16 bytes, byte j with
 *           value j in its low nibble and value j + 16 in its high one, a nibble being min(15, trunc(x / d + 8.5))
 *
 * Quotients go through a reciprocal rounded to f32, because ggml's do: else one value in some thousands would differ.
 */

export const tensorTypes = {
  f32: { code: 0, blockValues: 1, blockBytes: 4, fileType: 0 },
  f16: { code: 1, blockValues: 1, blockBytes: 2, fileType: 1 },
  q4_0: { code: 2, blockValues: 32, blockBytes: 18, fileType: 2 },
  q8_0: { code: 8, blockValues: 32, blockBytes: 34, fileType: 7 },
  bf16: { code: 30, blockValues: 1, blockBytes: 2, fileType: 32 },
} as const;

export type TensorType = keyof typeof tensorTypes;

export const isTensorType = (name: string): name is TensorType => name in tensorTypes;

/** The type with this code on disk, or undefined if fixtures have no use for it. */
export const tensorTypeOfCode = (code: number): TensorType | undefined =>
  Object.keys(tensorTypes)
    .filter(isTensorType)
    .find((name) => tensorTypes[name].code === code);

/** Bytes that `nValues` values take. Throws a RangeError if they do not fill whole blocks. */
export function encodedBytes(type: TensorType, nValues: number): number {
  const { blockValues, blockBytes } = tensorTypes[type];
  if (nValues % blockValues !== 0)
    throw new RangeError(`${type} needs a multiple of ${blockValues} values, got ${nValues}`);
  return (nValues / blockValues) * blockBytes;
}

const floatBits = new Float32Array(1);
const intBits = new Uint32Array(floatBits.buffer);

function bitsOf(value: number): number {
  floatBits[0] = value;
  return intBits[0] as number;
}

/** The IEEE half nearest to `value`, ties to even, as its 16 bits. Overflow gives infinity. */
export function toFloat16(value: number): number {
  const bits = bitsOf(value);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // not a number
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // rounds past the largest half, 65504
  if (magnitude < 0x38800000) return sign | roundHalfEven(Math.abs(value) * 2 ** 24); // subnormal, or 0
  return sign | ((magnitude - 0x38000000 + 0x0fff + ((magnitude >>> 13) & 1)) >>> 13);
}

/** The value of the IEEE half with these 16 bits. */
export function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x03ff;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The bfloat16 nearest to `value`, ties to even, as its 16 bits. */
export function toBfloat16(value: number): number {
  const bits = bitsOf(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 64; // stays not a number
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** The value of the bfloat16 with these 16 bits. */
export function fromBfloat16(bits: number): number {
  intBits[0] = bits << 16;
  return floatBits[0] as number;
}

/** Encodes values in ggml's layout. Throws a RangeError if they do not fill whole blocks. */
export function encodeValues(type: TensorType, values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(encodedBytes(type, values.length));
  const out = new DataView(bytes.buffer);
  const { blockValues, blockBytes } = tensorTypes[type];
  switch (type) {
    case "f32":
      for (const [i, value] of values.entries()) out.setFloat32(i * 4, value, true);
      break;
    case "f16":
      for (const [i, value] of values.entries()) out.setUint16(i * 2, toFloat16(value), true);
      break;
    case "bf16":
      for (const [i, value] of values.entries()) out.setUint16(i * 2, toBfloat16(value), true);
      break;
    case "q8_0":
    case "q4_0": {
      const encodeBlock = type === "q8_0" ? encodeBlockQ8 : encodeBlockQ4;
      for (let at = 0, block = 0; at < values.length; at += blockValues, block += blockBytes)
        encodeBlock(values.subarray(at, at + blockValues), out, block);
    }
  }
  return bytes;
}

/** Decodes what {@link encodeValues} wrote: the values that llama.cpp computes with. */
export function decodeValues(type: TensorType, bytes: Uint8Array): Float32Array {
  const { blockValues, blockBytes } = tensorTypes[type];
  const values = new Float32Array((bytes.length / blockBytes) * blockValues);
  const input = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < values.length; i++) {
    const block = Math.floor(i / blockValues) * blockBytes;
    const j = i % blockValues;
    values[i] = decodeValue(type, input, block, j);
  }
  return values;
}

function decodeValue(type: TensorType, input: DataView, block: number, j: number): number {
  switch (type) {
    case "f32":
      return input.getFloat32(block, true);
    case "f16":
      return fromFloat16(input.getUint16(block, true));
    case "bf16":
      return fromBfloat16(input.getUint16(block, true));
    case "q8_0":
      return fromFloat16(input.getUint16(block, true)) * input.getInt8(block + 2 + j);
    case "q4_0": {
      const pair = input.getUint8(block + 2 + (j % 16));
      return fromFloat16(input.getUint16(block, true)) * ((j < 16 ? pair & 0x0f : pair >>> 4) - 8);
    }
  }
}

function encodeBlockQ8(values: Float32Array, out: DataView, at: number): void {
  const scale = Math.fround(Math.abs(largest(values)) / 127);
  const inverse = scale ? Math.fround(1 / scale) : 0;
  out.setUint16(at, toFloat16(scale), true);
  for (const [j, value] of values.entries()) out.setInt8(at + 2 + j, roundHalfAway(Math.fround(value * inverse)));
}

function encodeBlockQ4(values: Float32Array, out: DataView, at: number): void {
  const scale = Math.fround(largest(values) / -8);
  const inverse = scale ? Math.fround(1 / scale) : 0;
  const nibble = (value: number) => Math.min(15, Math.trunc(Math.fround(Math.fround(value * inverse) + 8.5)));
  out.setUint16(at, toFloat16(scale), true);
  for (let j = 0; j < 16; j++)
    out.setUint8(at + 2 + j, nibble(values[j] as number) | (nibble(values[j + 16] as number) << 4));
}

/** The first value of largest magnitude, with its sign. */
function largest(values: Float32Array): number {
  return values.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
}

/** C's `roundf`: halves go away from zero. */
function roundHalfAway(value: number): number {
  return Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
