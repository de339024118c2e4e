/** Messages of ggml's RPC, followed in pieces. */

import test from "ava";
import fc from "fast-check";
import { helloRequest, MessageCounter, Owed, versionOf } from "../../lib/remote/wire.js";
import { greeting } from "./fixtures.js";

const getTensor = 8;
const setTensor = 6;

function message(head: readonly number[], dataBytes: number): Buffer {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(dataBytes));
  return Buffer.concat([Buffer.from(head), size, Buffer.alloc(dataBytes, 255)]);
}

function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

test("messages are counted however their bytes are cut", (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(18), fc.nat(40)), { maxLength: 10 }),
      fc.array(fc.nat(), { maxLength: 20 }),
      (messages, cuts) => {
        const seen: number[] = [];
        const counter = new MessageCounter(9, (head) => seen.push(head[0] ?? -1));
        const bytes = Buffer.concat(messages.map(([command, size]) => message([command], size)));
        for (const piece of pieces(bytes, cuts)) counter.take(piece);
        t.deepEqual(
          seen,
          messages.map(([command]) => command),
        );
        t.false(counter.isWithin);
      },
    ),
  );
});

test("a server owes an answer to a question, and none to what has none", (t) => {
  const owed = new Owed();
  owed.asked(message([setTensor], 100));
  t.false(owed.isOwing);
  owed.asked(message([getTensor], 20));
  t.true(owed.isOwing);
  const answer = message([], 30);
  owed.answered(answer.subarray(0, 20));
  t.true(owed.isOwing);
  owed.answered(answer.subarray(20));
  t.false(owed.isOwing);
});

test("a greeting is 33 bytes, and its answer has a version", (t) => {
  t.is(helloRequest().length, 33);
  t.is(versionOf(greeting(7, 1, 3)), "7.1.3");
  t.is(versionOf(Buffer.alloc(36, 1)), undefined);
});
