import test from "ava";
import fc from "fast-check";
import { type GgufValue, type ScalarType, u32 } from "./gguf-format.js";
import { decodeGguf, readGguf, tensorValues } from "./gguf-reader.js";
import { encodeGguf, type GgufTensor, writeGguf } from "./gguf-writer.js";
import { withTempDir } from "./temp-dir.js";

const scalars: { [T in ScalarType]: fc.Arbitrary<Extract<GgufValue, { type: T }>["value"]> } = {
  u8: fc.integer({ min: 0, max: 0xff }),
  i8: fc.integer({ min: -0x80, max: 0x7f }),
  u16: fc.integer({ min: 0, max: 0xffff }),
  i16: fc.integer({ min: -0x8000, max: 0x7fff }),
  u32: fc.integer({ min: 0, max: 0xffffffff }),
  i32: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
  u64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  i64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  f32: fc.float(),
  f64: fc.double(),
  bool: fc.boolean(),
  string: fc.string({ unit: "binary" }),
};

const values = fc.oneof(
  ...Object.entries(scalars).flatMap(([type, scalar]) => [
    fc.record({ type: fc.constant(type), value: scalar }),
    fc.record({ type: fc.constant("array"), of: fc.constant(type), values: fc.array<unknown>(scalar) }),
  ]),
) as fc.Arbitrary<GgufValue>;

const metadata = fc.uniqueArray(fc.tuple(fc.string({ unit: "binary", minLength: 1 }), values), {
  selector: ([key]) => key,
});

const f32Tensors = fc
  .array(
    fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }).chain((dims) => {
      const nValues = dims.reduce((product, size) => product * size, 1);
      return fc.record({
        dims: fc.constant(dims),
        values: fc.float32Array({ minLength: nValues, maxLength: nValues }),
      });
    }),
  )
  .map((shapes) => shapes.map((shape, i): GgufTensor => ({ name: `tensor.${i}`, type: "f32", ...shape })));

const vector: GgufTensor = { name: "v", type: "f32", dims: [3], values: Float32Array.of(1, 2, 3) };

test("metadata of every type comes back as written", (t) => {
  fc.assert(
    fc.property(metadata, (entries) => {
      const { bytes } = encodeGguf({ metadata: entries, tensors: [] });
      t.deepEqual([...decodeGguf(bytes).metadata], entries);
    }),
    { examples: [[[["general.alignment", u32(32)]]]] },
  );
});

test("tensors come back as written, each at an aligned offset", (t) => {
  fc.assert(
    fc.property(f32Tensors, (tensors) => {
      const { bytes, sections } = encodeGguf({ metadata: [], tensors });
      const contents = decodeGguf(bytes);
      t.is(contents.dataOffset, tensors.length > 0 ? sections.data : 32);
      for (const tensor of tensors) {
        const info = contents.tensors.find(({ name }) => name === tensor.name);
        t.deepEqual(info?.dims, tensor.dims);
        t.is((info?.offset ?? 1) % 32, 0);
        t.deepEqual(tensorValues(contents, tensor.name), tensor.values);
      }
    }),
  );
});

test("a written file reads back with the alignment that its metadata asks for", async (t) => {
  const path = `${withTempDir(t)}/model.gguf`;
  const second = { ...vector, name: "second" };
  const { sections } = await writeGguf(path, {
    metadata: [["general.alignment", u32(256)]],
    tensors: [vector, second],
  });
  const contents = await readGguf(path);
  t.is(sections.data % 256, 0);
  t.is(contents.dataOffset, sections.data);
  t.deepEqual(
    contents.tensors.map(({ offset }) => offset),
    [0, 256],
  );
  t.deepEqual(tensorValues(contents, "second"), vector.values);
});

test("sections and entries say where the parts lie", (t) => {
  const { bytes, sections, entries } = encodeGguf({ metadata: [["key", u32(7)]], tensors: [vector] });
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  t.deepEqual(sections, { header: 0, metadata: 24, tensorInfos: 43, data: 96, end: 128 });
  t.deepEqual(entries, [{ key: "key", keyOffset: 24, typeOffset: 35 }]);
  t.is(view.getUint32(35 + 4, true), 7);
  t.is(bytes.length, sections.end);
  t.is(view.getFloat32(sections.data + 4, true), 2);
});

test("claims stand in the file in place of the truth", (t) => {
  const claims = { dims: [9n, 2n], typeCode: 77, offset: 640n };
  const { bytes } = encodeGguf({
    metadata: [],
    tensors: [{ ...vector, claims }],
    claims: { version: 999, metadataCount: 0n, tensorCount: 1n },
  });
  const contents = decodeGguf(bytes);
  t.is(contents.version, 999);
  t.deepEqual(contents.tensors, [{ name: "v", type: undefined, typeCode: 77, dims: [9, 2], offset: 640 }]);
  t.throws(() => decodeGguf(encodeGguf({ metadata: [], tensors: [], claims: { magic: 1 } }).bytes), {
    message: /GGUF/,
  });
});

test("tensors that their values do not fill are refused", (t) => {
  const write = (tensor: GgufTensor) => encodeGguf({ metadata: [], tensors: [tensor] });
  t.throws(() => write({ ...vector, dims: [4] }), { instanceOf: RangeError, message: /need 4 values, got 3/ });
  const ragged: GgufTensor = { name: "r", type: "q8_0", dims: [16, 2], values: new Float32Array(32) };
  t.throws(() => write(ragged), { instanceOf: RangeError, message: /rows of 16/ });
});
