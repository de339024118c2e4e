import test from "ava";
import fc from "fast-check";
import {
  decodeValues,
  encodeValues,
  fromBfloat16,
  fromFloat16,
  type TensorType,
  toBfloat16,
  toFloat16,
} from "./tensor-encoding.js";

const everyBits = Array.from({ length: 2 ** 16 }, (_, bits) => bits);
const isNaN16 = (bits: number) => (bits & 0x7c00) === 0x7c00 && (bits & 0x03ff) !== 0;
const isNaNB16 = (bits: number) => (bits & 0x7f80) === 0x7f80 && (bits & 0x007f) !== 0;

const finite = fc.float({ noNaN: true, noDefaultInfinity: true, min: -60_000, max: 60_000 });
const block = fc.float32Array({
  minLength: 32,
  maxLength: 32,
  noNaN: true,
  noDefaultInfinity: true,
  min: -1000,
  max: 1000,
});

/** The smallest half above 0. */
const tinyHalf = 2 ** -24;

test("every half comes back from its value", (t) => {
  for (const bits of everyBits) if (!isNaN16(bits) && toFloat16(fromFloat16(bits)) !== bits) t.fail(bits.toString(16));
  t.true(Number.isNaN(fromFloat16(toFloat16(Number.NaN))));
});

test("every bfloat16 comes back from its value", (t) => {
  for (const bits of everyBits)
    if (!isNaNB16(bits) && toBfloat16(fromBfloat16(bits)) !== bits) t.fail(bits.toString(16));
  t.true(Number.isNaN(fromBfloat16(toBfloat16(Number.NaN))));
});

test("halves round to nearest, ties to even, and overflow to infinity", (t) => {
  t.is(toFloat16(65504), 0x7bff);
  t.is(toFloat16(65519), 0x7bff);
  t.is(toFloat16(65520), 0x7c00);
  t.is(toFloat16(-1e30), 0xfc00);
  t.is(toFloat16(tinyHalf / 2), 0);
  t.is(toFloat16(tinyHalf * 0.51), 1);
  t.is(toFloat16(tinyHalf * 1.5), 2);
  t.is(toFloat16(tinyHalf * 2.5), 2);
  t.is(toFloat16(tinyHalf * 1023.5), 0x0400);
  t.is(toFloat16(1 + 2 ** -11), 0x3c00);
  t.is(toFloat16(1 + 3 * 2 ** -11), 0x3c02);
  t.is(toFloat16(-0), 0x8000);
});

test("no half is nearer to a value than the one it becomes", (t) => {
  fc.assert(
    fc.property(finite, (value) => {
      const bits = toFloat16(value);
      const error = Math.abs(fromFloat16(bits) - value);
      for (const other of [bits - 1, bits + 1])
        if (!isNaN16(other)) t.true(error <= Math.abs(fromFloat16(other & 0xffff) - value));
    }),
  );
});

test("bfloat16 keeps eight bits of precision", (t) => {
  fc.assert(
    fc.property(finite, (value) => {
      const error = Math.abs(fromBfloat16(toBfloat16(value)) - value);
      t.true(error <= Math.abs(value) * 2 ** -8 + 2 ** -134); // the second term: below the normal numbers, steps stay equal
    }),
  );
});

/** Steps from 0 to a block's largest magnitude, and how many of them a value may be off, rounding of the scale apart. */
const errorBounds: readonly [type: TensorType, steps: number, worstSteps: number][] = [
  // q8_0: half a step of amax / 127.
  ["q8_0", 127, 0.5],
  // q4_0: half a step of amax / 8, but the value opposite to the largest one is cut off a whole step short.
  ["q4_0", 8, 1],
];

for (const [type, steps, worstSteps] of errorBounds) {
  test(`${type} values are within ${worstSteps} step of what was encoded`, (t) => {
    fc.assert(
      fc.property(block, (values) => {
        const largest = Math.max(...values.map(Math.abs));
        const decoded = decodeValues(type, encodeValues(type, values));
        const roundedScale = largest * 2 ** -11 + steps * (tinyHalf / 2);
        const bound = (largest / steps) * worstSteps * (1 + 1e-5) + roundedScale;
        values.forEach((value, i) => {
          t.true(Math.abs((decoded[i] ?? Number.NaN) - value) <= bound);
        });
      }),
    );
  });

  test(`${type} keeps zeros and the largest value`, (t) => {
    t.true(decodeValues(type, encodeValues(type, new Float32Array(32))).every((value) => value === 0));
    const one = new Float32Array(32).fill(0.25).fill(-127, 5, 6);
    t.true(Math.abs((decodeValues(type, encodeValues(type, one))[5] ?? 0) + 127) < 0.07);
  });
}

// What ggml's own quantisers (ggml_quantize_chunk, v0.5.0) make of a block in which every q8_0 quotient but one is a tie.
test("blocks have ggml's bytes", (t) => {
  const values = Float32Array.from({ length: 32 }, (_, i) => (i === 0 ? -127 : ((i * 37) % 64) - 31.5));
  const hex = (type: TensorType) => Buffer.from(encodeValues(type, values)).toString("hex");
  t.is(hex("q8_0"), "003c8106ea10f41afee309ed13f71d02e60cf016fa2005e90ff319fde208ec12f61c");
  t.is(hex("q4_0"), "f04b709887a9877a9876a98769877a9876a9");
});

test("values that do not fill blocks are refused", (t) => {
  t.throws(() => encodeValues("q4_0", new Float32Array(33)), { instanceOf: RangeError, message: /multiple of 32/ });
});
