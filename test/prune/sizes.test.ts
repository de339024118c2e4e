import test from "ava";
import fc from "fast-check";
import { parseByteCount, parseParameterCount } from "../../lib/prune/sizes.js";

test("sizes are read as people write them", (t) => {
  const parameters = ["1.0B", "350M", "1b", "1.24 B", "1500k", "0.5t", "1200000", "4.35B"];
  t.deepEqual(parameters.map(parseParameterCount), [1e9, 350e6, 1e9, 1.24e9, 1.5e6, 5e11, 1.2e6, 4.35e9]);
  const bytes = ["900MB", "1.5GiB", "1.5 gib", "2GB", "512", "512B", "4KiB", "1TB", "0.5KiB"];
  const counts = [900e6, 1.5 * 2 ** 30, 1.5 * 2 ** 30, 2e9, 512, 512, 4096, 1e12, 512];
  t.deepEqual(bytes.map(parseByteCount), counts);
});

for (const text of [
  "",
  " ",
  "B",
  "1.0",
  "-1B",
  "+1B",
  "1e9",
  "1,0B",
  "1.B",
  ".5B",
  "1BB",
  "1 x",
  "0",
  "0B",
  " 1B",
  "1B ",
])
  test(`${JSON.stringify(text)} is no number of parameters`, (t) => {
    t.is(parseParameterCount(text), undefined);
  });

for (const text of [
  "",
  "MB",
  "1.5",
  "1.5B",
  "1G",
  "1M",
  "1Mi",
  "-1MB",
  "0.1",
  "0MB",
  "9007199254740992",
  "99999TiB",
  "1e3MB",
])
  test(`${JSON.stringify(text)} is no number of bytes`, (t) => {
    t.is(parseByteCount(text), undefined);
  });

const count = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const thousandths = fc.integer({ min: 1, max: 9_000_000 });
const parameterUnit = fc.constantFrom(["K", 1e3], ["M", 1e6], ["B", 1e9], ["T", 1e12]) as fc.Arbitrary<
  [string, number]
>;
const byteUnit = fc.constantFrom(
  ["KB", 1e3],
  ["MB", 1e6],
  ["GB", 1e9],
  ["MiB", 2 ** 20],
  ["GiB", 2 ** 30],
) as fc.Arbitrary<[string, number]>;

test("a plain number is itself, with and without B for bytes", (t) => {
  const property = fc.property(count, (n) => {
    t.is(parseParameterCount(String(n)), n);
    t.is(parseByteCount(String(n)), n);
    t.is(parseByteCount(`${n}B`), n);
  });
  t.notThrows(() => fc.assert(property));
});

test("a decimal number times its unit is exact to the nearest whole", (t) => {
  const read = (parse: (text: string) => number | undefined, n: number, [unit, factor]: [string, number]) => {
    // In whole numbers, so that no rounding of this test's own gets in between.
    const exact = (BigInt(n) * BigInt(factor) * 2n + 1000n) / 2000n;
    const text = `${Math.floor(n / 1000)}.${String(n % 1000).padStart(3, "0")}`;
    for (const spelling of [unit, unit.toLowerCase(), ` ${unit}`]) {
      const value = parse(text + spelling);
      t.true(value !== undefined && Math.abs(value - Number(exact)) <= 1, `${text}${spelling}: ${value}, not ${exact}`);
    }
  };
  const parameters = fc.property(thousandths, parameterUnit, (n, unit) => read(parseParameterCount, n, unit));
  const bytes = fc.property(thousandths, byteUnit, (n, unit) => read(parseByteCount, n, unit));
  t.notThrows(() => fc.assert(parameters));
  t.notThrows(() => fc.assert(bytes));
});

test("any text gives a whole number from 1 on, or none", (t) => {
  const property = fc.property(
    fc.oneof(fc.string(), fc.stringMatching(/^\d{1,20}(\.\d+)? ?[a-zA-Z]{0,3}$/)),
    (text) => {
      for (const value of [parseParameterCount(text), parseByteCount(text)])
        t.true(value === undefined || (Number.isSafeInteger(value) && value >= 1), `${text}: ${value}`);
    },
  );
  t.notThrows(() => fc.assert(property));
});
