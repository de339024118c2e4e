import { PassThrough } from "node:stream";
import test from "ava";
import { readText } from "../../lib/cli/prompt-source.js";

const { signal } = new AbortController();

test("a stream is read whole, characters cut between chunks included", async (t) => {
  const stream = new PassThrough();
  const bytes = Buffer.from("שלום 🙂\n\n");
  for (const byte of bytes) stream.write(Buffer.from([byte]));
  stream.end();
  t.is(await readText(stream, { signal }), "שלום 🙂\n");
});

test("a byte-order mark is no part of a prompt", async (t) => {
  const stream = new PassThrough();
  stream.end("\u{feff}Once");
  t.is(await readText(stream, { signal }), "Once");
});

test("a stream that stays silent gives no text and is closed", async (t) => {
  const stream = new PassThrough();
  t.is(await readText(stream, { signal, silenceMs: 10 }), "");
  t.true(stream.destroyed);
});

test("a stream that has begun to speak is waited for", async (t) => {
  const stream = new PassThrough();
  stream.write("a");
  setTimeout(() => stream.end("b"), 100);
  t.is(await readText(stream, { signal, silenceMs: 50 }), "ab");
});

test("an abort ends the wait with its reason", async (t) => {
  const stream = new PassThrough();
  const controller = new AbortController();
  const reading = readText(stream, { signal: controller.signal });
  const reason = new Error("enough");
  controller.abort(reason);
  t.is(await t.throwsAsync(reading), reason);
  t.true(stream.destroyed);
  t.is(await t.throwsAsync(readText(new PassThrough(), { signal: controller.signal })), reason);
});

test("a stream that fails rejects with its error", async (t) => {
  const stream = new PassThrough();
  const reading = readText(stream, { signal });
  stream.destroy(new Error("torn"));
  await t.throwsAsync(reading, { message: "torn" });
});
