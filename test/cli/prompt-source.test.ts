import { PassThrough } from "node:stream";
import test from "ava";
import { UsageError } from "../../lib/cli/exit.js";
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

for (const [title, bytes] of [
  ["UTF-16", Buffer.from("\ufeffOnce", "utf16le")],
  ["UTF-16 without a mark", Buffer.from("Once", "utf16le")],
  ["Latin-1", Buffer.from("caf\xe9 au lait", "latin1")],
] as const)
  test(`a prompt in ${title} is refused`, async (t) => {
    const stream = new PassThrough();
    stream.end(bytes);
    await t.throwsAsync(readText(stream, { signal }), { instanceOf: UsageError, message: /UTF-8/ });
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
