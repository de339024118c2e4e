/** The frames that cells travel in: put together from any pieces, and refused where they are none. */

import test from "ava";
import {
  cellsHead,
  cellsVersion,
  type Frame,
  FrameFault,
  FrameReader,
  factsDigest,
  frame,
  jsonOf,
  textDigest,
} from "../../lib/reader/cell-frames.js";
import { CellsAnswer, type CellsQuestion } from "../../lib/reader/cells-answer.js";
import { mulberry32 } from "../support/random.js";

const question: CellsQuestion = {
  tokens: Int32Array.of(5, 6, 7, 8),
  from: 1,
  deterministic: false,
  cacheFacts: "",
  bytesPerToken: 8,
  vocabularySize: 3,
};
const nonce = "00112233445566778899aabbccddeeff";
const begin = { version: cellsVersion, nonce, text: textDigest(question.tokens), from: 1, bytesPerToken: 8 };
const rows = (n: number) => new Uint8Array(8 * n).fill(n);
const cells = (n: number) => Buffer.concat([cellsHead(n, rows(n), "0123456789abcdef"), rows(n)]);
const logits = frame("logits", Float32Array.of(1, 2, 3));
const whole = [frame("begin", begin), cells(2), frame("alive", undefined), cells(1), logits, frame("end", {})];

type Given = readonly [n: number, bytes: number, hash: string, logits: readonly number[] | undefined];

function read(bytes: Uint8Array, pieces: (left: number) => number = (left) => left): Given[] {
  const given: Given[] = [];
  const answer = new CellsAnswer(question, nonce, (n, data, hash, last) =>
    given.push([n, data.byteLength, hash, last && [...last]]),
  );
  const reader = new FrameReader();
  for (let at = 0; at < bytes.length; ) {
    const n = Math.max(1, pieces(bytes.length - at));
    for (const one of reader.push(Buffer.from(bytes.subarray(at, at + n)))) answer.take(one);
    at += n;
  }
  answer.end();
  return given;
}

const expected: Given[] = [
  [2, 16, "0123456789abcdef", undefined],
  [1, 8, "0123456789abcdef", [1, 2, 3]],
];

test("an answer is the same in whatever pieces it comes", (t) => {
  const bytes = Buffer.concat(whole);
  t.deepEqual(read(bytes), expected);
  t.deepEqual(
    read(bytes, () => 1),
    expected,
  );
  const random = mulberry32(1);
  for (let i = 0; i < 50; i++)
    t.deepEqual(
      read(bytes, (left) => Math.ceil(random() * Math.min(40, left))),
      expected,
    );
});

test("the last cells are given only when the answer has ended", (t) => {
  const given: number[] = [];
  const answer = new CellsAnswer(question, nonce, (n) => given.push(n));
  const reader = new FrameReader();
  const take = (bytes: Uint8Array) => {
    for (const one of reader.push(Buffer.from(bytes))) answer.take(one);
  };
  for (const one of whole.slice(0, -1)) take(one);
  t.deepEqual(given, [2]);
  t.throws(() => answer.end());
  take(whole.at(-1) as Uint8Array);
  t.deepEqual(given, [2, 1]);
});

const wrong: readonly (readonly [string, readonly Uint8Array[]])[] = [
  ["another nonce", [frame("begin", { ...begin, nonce: "0".repeat(32) }), ...whole.slice(1)]],
  ["another text", [frame("begin", { ...begin, text: textDigest(Int32Array.of(5, 6, 7, 9)) }), ...whole.slice(1)]],
  ["another beginning", [frame("begin", { ...begin, from: 2 }), ...whole.slice(1)]],
  ["another version", [frame("begin", { ...begin, version: 2 }), ...whole.slice(1)]],
  ["cells of another size", [frame("begin", { ...begin, bytesPerToken: 4 }), ...whole.slice(1)]],
  ["no beginning", whole.slice(1)],
  ["two beginnings", [whole[0] as Uint8Array, ...whole]],
  ["more cells than tokens", [whole[0] as Uint8Array, cells(2), cells(2)]],
  ["cells of no tokens", [whole[0] as Uint8Array, cells(0)]],
  ["cells that are too long", [whole[0] as Uint8Array, cellsHead(2, rows(3), "0".repeat(16)), rows(3)]],
  ["an end without logits", [...whole.slice(0, 4), frame("end", {})]],
  ["an end without cells", [whole[0] as Uint8Array, logits, frame("end", {})]],
  ["other logits", [...whole.slice(0, 4), frame("logits", Float32Array.of(1, 2)), frame("end", {})]],
  ["logits twice", [...whole.slice(0, 4), logits, logits]],
  ["something behind the end", [...whole, frame("alive", undefined)]],
  ["no JSON", [frame("begin", "text" as unknown as object)]],
];

for (const [title, frames] of wrong)
  test(`an answer with ${title} is refused`, (t) => {
    t.throws(() => read(Buffer.concat(frames)), { instanceOf: FrameFault });
  });

test("every changed byte of what is not cells is noticed, and every shorter answer", (t) => {
  const bytes = Buffer.concat(whole);
  // Cells and their checksums are the engine's to compare.
  const inCells = (at: number) => {
    let begun = 0;
    return [begun, ...whole.map((one) => (begun += one.length))].some(
      (start, i) => at >= start + 16 && at < start + (whole[i]?.length ?? 0) && (i === 1 || i === 3),
    );
  };
  for (let at = 0; at < bytes.length; at++) {
    if (inCells(at)) continue;
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 0x21;
    t.throws(() => read(changed), undefined, `byte ${at}`);
  }
  for (let n = 0; n < bytes.length; n++) t.throws(() => read(bytes.subarray(0, n)), undefined, `${n} bytes`);
});

test("random bytes are no frames, and take no memory", (t) => {
  const random = mulberry32(9);
  for (let i = 0; i < 200; i++) {
    const bytes = Buffer.from(Array.from({ length: 64 }, () => Math.floor(random() * 256)));
    if (i % 2) bytes.set(whole[0]?.subarray(0, 4) ?? []);
    const frames: Frame[] = [];
    t.throws(() => {
      for (const one of new FrameReader().push(bytes)) frames.push(one);
      if (frames.length === 0) throw new FrameFault("not whole");
    });
  }
});

test("facts are told apart by their digest, in any order", (t) => {
  t.is(factsDigest({ a: "1", b: "2" }), factsDigest({ b: "2", a: "1" }));
  t.not(factsDigest({ a: "1", b: "2" }), factsDigest({ a: "2", b: "1" }));
  t.throws(() => jsonOf(Buffer.from("1")), { instanceOf: FrameFault });
});
