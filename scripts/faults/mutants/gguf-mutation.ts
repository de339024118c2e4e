/** Damage to a GGUF file that knows the format: keys, types, sizes and values that no writer would write. */

import { valueTypeCodes } from "../../../test/support/gguf-format.js";
import type { Random } from "../../../test/support/random.js";
import { anyField, type GgufParts, joinGguf, type Piece, splitGguf } from "./gguf-parts.js";
import { below, joined, type Mutate, mutateBytes, oddInteger, pick, putInteger, readInteger } from "./mutation.js";

interface Change {
  readonly parts: GgufParts;
  readonly how: string;
}

type Edit = (parts: GgufParts, random: Random) => Change;

const utf8 = new TextEncoder();

const withItem = <Item>(list: readonly Item[], at: number, ...items: readonly Item[]): Item[] => [
  ...list.slice(0, at),
  ...items,
  ...list.slice(at + 1),
];

/** Tensors are many and alike: they are drawn as often as entries. */
type List = "entries" | "tensors";
const anyList = (random: Random, parts: GgufParts): List =>
  parts.tensors.length > 0 && random() < 0.4 ? "tensors" : "entries";

/** The keys that a model's sizes are in, and those that this package writes, more often than the rest. */
function anyPiece(random: Random, pieces: readonly Piece[]): number {
  const telling = pieces.flatMap(({ name }, i) => (/^(tokenizer|general\.(name|file_type))/.test(name) ? [] : [i]));
  return telling.length > 0 && random() < 0.7 ? pick(random, telling) : below(random, pieces.length);
}

const replaced = (parts: GgufParts, list: List, at: number, ...pieces: readonly Piece[]): GgufParts => ({
  ...parts,
  [list]: withItem(parts[list], at, ...pieces),
});

const oddFloats = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0, -1, 1e-45, 1e30, 3.4e38, 0.5];

const setNumber: Edit = (parts, random) => {
  const list = anyList(random, parts);
  const at = anyPiece(random, parts[list]);
  const piece = parts[list][at];
  const field = piece && anyField(random, piece);
  if (!piece || !field) return { parts, how: "nothing" };
  const bytes = piece.bytes.slice();
  if (field.isFloat) {
    const value = pick(random, oddFloats);
    const view = new DataView(bytes.buffer);
    if (field.sizeBytes === 4) view.setFloat32(field.at, value, true);
    else view.setFloat64(field.at, value, true);
    return { parts: replaced(parts, list, at, { ...piece, bytes }), how: `${piece.name}: ${field.role} ${value}` };
  }
  const now =
    field.sizeBytes >= 4 ? readInteger(bytes, field.at, field.sizeBytes as 4 | 8) : BigInt(bytes[field.at] ?? 0);
  const value = oddInteger(random, now);
  putInteger(bytes, field.at, field.sizeBytes, value);
  return {
    parts: replaced(parts, list, at, { ...piece, bytes }),
    how: `${piece.name}: ${field.role} ${now} became ${value}`,
  };
};

const remove: Edit = (parts, random) => {
  const list = anyList(random, parts);
  const at = anyPiece(random, parts[list]);
  return { parts: replaced(parts, list, at), how: `without ${parts[list][at]?.name}` };
};

const double: Edit = (parts, random) => {
  const list = anyList(random, parts);
  const at = anyPiece(random, parts[list]);
  const piece = parts[list][at];
  return piece
    ? { parts: replaced(parts, list, at, piece, piece), how: `${piece.name} twice` }
    : { parts, how: "nothing" };
};

function named(piece: Piece, name: string): Piece {
  const text = utf8.encode(name);
  const length = new Uint8Array(8);
  putInteger(length, 0, 8, BigInt(text.length));
  const rest = piece.bytes.subarray(8 + utf8.encode(piece.name).length);
  return { name, bytes: joined(length, text, rest), fields: [] };
}

const rename: Edit = (parts, random) => {
  const list = anyList(random, parts);
  const at = anyPiece(random, parts[list]);
  const piece = parts[list][at];
  if (!piece) return { parts, how: "nothing" };
  const other = pick(random, parts[list]).name;
  const name = pick(random, [other, `${piece.name}x`, "", piece.name.slice(0, -1), "\0", piece.name.toUpperCase()]);
  return { parts: replaced(parts, list, at, named(piece, name)), how: `${piece.name} named ${JSON.stringify(name)}` };
};

const swapNames: Edit = (parts, random) => {
  const list = anyList(random, parts);
  const [a, b] = [anyPiece(random, parts[list]), anyPiece(random, parts[list])];
  const [one, other] = [parts[list][a], parts[list][b]];
  if (!one || !other) return { parts, how: "nothing" };
  const swapped = replaced(replaced(parts, list, a, named(one, other.name)), list, b, named(other, one.name));
  return { parts: swapped, how: `${one.name} and ${other.name} swapped` };
};

const integer = (size: 1 | 2 | 4 | 8, value: bigint) => {
  const bytes = new Uint8Array(size);
  putInteger(bytes, 0, size, value);
  return bytes;
};
const lengthAndText = (text: string) => joined(integer(8, BigInt(utf8.encode(text).length)), utf8.encode(text));

/** Sound values of every type, most of which no reader expects where they are. */
const values: readonly ((random: Random) => Uint8Array)[] = [
  ...(["u8", "i8", "bool"] as const).map(
    (type) => (random: Random) =>
      joined(integer(4, BigInt(valueTypeCodes[type])), integer(1, BigInt(below(random, 256)))),
  ),
  ...(["u32", "i32", "f32"] as const).map(
    (type) => (random: Random) => joined(integer(4, BigInt(valueTypeCodes[type])), integer(4, oddInteger(random, 64n))),
  ),
  ...(["u64", "i64", "f64"] as const).map(
    (type) => (random: Random) => joined(integer(4, BigInt(valueTypeCodes[type])), integer(8, oddInteger(random, 64n))),
  ),
  (random) => joined(integer(4, BigInt(valueTypeCodes.string)), lengthAndText(oddText(random))),
  (random) =>
    arrayOf(
      "i32",
      Array.from({ length: below(random, 9) }, () => integer(4, oddInteger(random, 2n))),
    ),
  (random) =>
    arrayOf(
      "u32",
      Array.from({ length: below(random, 9) }, () => integer(4, oddInteger(random, 2n))),
    ),
  (random) =>
    arrayOf(
      "f32",
      Array.from({ length: below(random, 9) }, () => integer(4, oddInteger(random, 2n))),
    ),
  (random) =>
    arrayOf(
      "string",
      Array.from({ length: below(random, 9) }, () => lengthAndText(oddText(random))),
    ),
  (random) =>
    arrayOf(
      "u8",
      Array.from({ length: below(random, 70_000) }, () => integer(1, BigInt(below(random, 256)))),
    ),
];

const arrayOf = (of: "i32" | "u32" | "f32" | "string" | "u8", items: readonly Uint8Array[]) =>
  joined(
    integer(4, BigInt(valueTypeCodes.array)),
    integer(4, BigInt(valueTypeCodes[of])),
    integer(8, BigInt(items.length)),
    ...items,
  );

const oddText = (random: Random): string =>
  pick(random, [
    ...[
      "",
      " ",
      "\0",
      "a\0b",
      "\u{1f600}",
      "llama",
      "gpt2",
      "{{",
      "{% for a in a %}",
      "..",
      "/",
      "%s%n",
      "\uffff",
      "nan",
      "-1",
    ],
    "{{ messages | tojson }}",
    "x".repeat(below(random, 100_000)),
    "(".repeat(below(random, 50_000)),
    "{% if a %}".repeat(below(random, 5000)),
  ]);

const retype: Edit = (parts, random) => {
  const at = anyPiece(random, parts.entries);
  const piece = parts.entries[at];
  if (!piece) return { parts, how: "nothing" };
  const value = pick(random, values)(random);
  const bytes = joined(lengthAndText(piece.name), value);
  return {
    parts: replaced(parts, "entries", at, { ...piece, bytes, fields: [] }),
    how: `${piece.name}: another value, of type ${value[0]}`,
  };
};

/** The list in an array's entry is made shorter or longer, with the count that it then has. */
const resize: Edit = (parts, random) => {
  const arrays = parts.entries.flatMap((piece, i) => (piece.fields.some(({ role }) => role === "count") ? [i] : []));
  if (arrays.length === 0) return setNumber(parts, random);
  const at = pick(random, arrays);
  const piece = parts.entries[at];
  const count = piece?.fields.find(({ role }) => role === "count");
  if (!piece || !count) return { parts, how: "nothing" };
  const items = piece.fields.slice(piece.fields.indexOf(count) + 1);
  const n = below(random, items.length + 1);
  const end = items[n]?.at ?? piece.bytes.length;
  const rest = piece.bytes.subarray(count.at + 8, end);
  const twice = random() < 0.3;
  const bytes = joined(
    piece.bytes.subarray(0, count.at),
    integer(8, BigInt(twice ? 2 * n : n)),
    rest,
    twice ? rest : new Uint8Array(0),
  );
  return {
    parts: replaced(parts, "entries", at, { ...piece, bytes, fields: [] }),
    how: `${piece.name}: ${n} items${twice ? ", twice" : ""}`,
  };
};

/** Weights that are no numbers, or huge. */
const spoilData: Edit = (parts, random) => {
  const data = parts.data.slice();
  const view = new DataView(data.buffer);
  const value = pick(random, oddFloats);
  const from = below(random, data.length / 4);
  const to = Math.min(Math.floor(data.length / 4), from + 1 + below(random, pick(random, [1, 64, 65_536])));
  for (let i = from; i < to; i++) view.setFloat32(4 * i, value, true);
  return { parts: { ...parts, data }, how: `data from ${4 * from} to ${4 * to} is ${value}` };
};

const reorder: Edit = (parts, random) => {
  const list = anyList(random, parts);
  const from = below(random, parts[list].length);
  const piece = parts[list][from];
  if (!piece) return { parts, how: "nothing" };
  const others = withItem(parts[list], from);
  const to = below(random, others.length + 1);
  return {
    parts: { ...parts, [list]: [...others.slice(0, to), piece, ...others.slice(to)] },
    how: `${piece.name} moved to ${to}`,
  };
};

const edits: readonly Edit[] = [
  ...[setNumber, setNumber, setNumber, setNumber],
  ...[remove, double, rename, swapNames, retype, retype, resize, spoilData, reorder],
];

/** One or a few edits of the metadata and the tensors; now and then damage to the bytes besides. */
export const mutateGguf: Mutate = (bytes, random) => {
  let parts = splitGguf(bytes);
  const told: string[] = [];
  for (let n = pick(random, [1, 1, 1, 2, 4]); n > 0; n--) {
    const change = pick(random, edits)(parts, random);
    parts = change.parts;
    told.push(change.how);
  }
  const whole = { bytes: joinGguf(parts), how: told.join("; ") };
  if (random() < 0.9) return whole;
  const damaged = mutateBytes(whole.bytes, random);
  return { bytes: damaged.bytes, how: `${whole.how}; ${damaged.how}` };
};
