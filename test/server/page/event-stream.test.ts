/** Server-sent events in whatever pieces they come. */

import test from "ava";
import fc from "fast-check";
import { EventParser, readEvents } from "../../../lib/server/page/browser/event-stream.js";

const stream = [
  "\uFEFF: a comment\n\n",
  'data: {"a":1}\r\n\r\n',
  "event: x\rid: 7\rdata:two\rdata: lines\r\r",
  "data\ndata: \n\n",
  "retry: 10\n\n",
  "data: grüße 🙂\n\n",
  "data: [DONE]\n\n",
  "data: cut off",
].join("");
const events = ['{"a":1}', "two\nlines", "\n", "grüße 🙂", "[DONE]"];

function bodyOf(pieces: readonly Uint8Array[], onCancel = () => {}): ReadableStream<Uint8Array> {
  let next = 0;
  return new ReadableStream({
    pull(controller) {
      const piece = pieces[next++];
      if (piece === undefined) controller.close();
      else controller.enqueue(piece);
    },
    cancel: onCancel,
  });
}

async function collect(body: ReadableStream<Uint8Array>): Promise<string[]> {
  const found: string[] = [];
  for await (const event of readEvents(body)) found.push(event);
  return found;
}

test("the data of complete events comes, whatever ends their lines; an event that is cut off does not", (t) => {
  t.deepEqual(new EventParser().push(stream), events);
});

test("the same events come however the bytes are cut into pieces", async (t) => {
  const bytes = new TextEncoder().encode(stream);
  const cuts = fc.uniqueArray(fc.integer({ min: 0, max: bytes.length }), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(cuts, async (places) => {
      const ends = [...places.sort((a, b) => a - b), bytes.length];
      const pieces = ends.map((end, i) => bytes.slice(ends[i - 1] ?? 0, end));
      t.deepEqual(await collect(bodyOf(pieces)), events);
    }),
  );
  t.deepEqual(await collect(bodyOf([...bytes].map((byte) => Uint8Array.of(byte)))), events);
});

test("leaving the events early cancels the body", async (t) => {
  let cancelled = 0;
  const piece = new TextEncoder().encode("data: 1\n\ndata: 2\n\n");
  const body = bodyOf([piece, piece, piece], () => {
    cancelled++;
  });
  for await (const _ of readEvents(body)) break;
  t.is(cancelled, 1);
});
