/** `/v1/prefill`: whom it serves, what it refuses, and what it bears. */

import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { cellFacts } from "../../lib/engine/pair.js";
import { cellsVersion, factsDigest } from "../../lib/reader/cell-frames.js";
import { answerAlone, openPair, refusal, someTokens, traced } from "../engine/fixtures.js";
import { openReader, openWriter, wireTo, writeModels } from "../remote/prefill-fixtures.js";
import { newCertificate } from "../support/certificate.js";
import { mulberry32 } from "../support/random.js";
import { withTempDir } from "../support/temp-dir.js";
import { askers } from "./fixtures.js";

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const keys = ["first-secret-key", "second-secret-key"];

async function open(t: ExecutionContext, options: Parameters<typeof openReader>[2] = {}) {
  const models = await writeModels(t);
  const reader = await openReader(t, models, options);
  const facts = factsDigest((await cellFacts(reader.pair, 1)).facts);
  const sound = { version: cellsVersion, facts, nonce: "0".repeat(32), from: 0, tokens: someTokens(50) };
  return { ...reader, models, sound, ...askers(reader.server) };
}

test("without the key nothing is told and nothing is read", async (t) => {
  const { pair, server, models, sound, ask } = await open(t, { serving: { auth: { keys } } });
  for (const headers of [{}, bearer("another-secret-key"), bearer("")]) {
    t.is((await ask("/v1/prefill", undefined, { headers })).status, 401);
    t.is((await ask("/v1/prefill", sound, { headers })).status, 401);
  }
  t.is(pair.metrics().prefillTokens, 0);
  await refusal(t, "ERR_REMOTE_REFUSED", openWriter(t, models, server.url));
  await refusal(t, "ERR_REMOTE_REFUSED", openWriter(t, models, { url: server.url, key: "another-secret-key" }));
  const writer = await openWriter(t, models, { url: server.url, key: keys[0] });
  t.is((await answerAlone(writer, someTokens(30), traced(4))).tokens.length, 4);
});

test("what one key has had read is no other's", async (t) => {
  const { pair, server, models } = await open(t, { serving: { auth: { keys } }, maxSessions: 2, prefixCache: {} });
  const read = async (key: string | undefined) => {
    const writer = await openWriter(t, models, { url: server.url, key });
    const before = pair.metrics().prefillTokens;
    await answerAlone(writer, someTokens(400), traced(2));
    return pair.metrics().prefillTokens - before;
  };
  t.is(await read(keys[0]), 400);
  t.true((await read(keys[0])) < 100);
  t.is(await read(keys[1]), 400);
});

test("bodies that make no sense are refused, with the parameter", async (t) => {
  const { json, sound, pair, server } = await open(t, { contextSize: 256 });
  const refused: readonly (readonly [object, number, string | null])[] = [
    [{ ...sound, tokens: [] }, 400, "tokens"],
    [{ ...sound, tokens: ["x"] }, 400, "tokens.0"],
    [{ ...sound, tokens: [-1] }, 400, "tokens.0"],
    [{ ...sound, tokens: [1_000_000] }, 400, "tokens"],
    [{ ...sound, from: 50 }, 400, "from"],
    [{ ...sound, from: -1 }, 400, "from"],
    [{ ...sound, nonce: "short" }, 400, "nonce"],
    [{ ...sound, version: 2 }, 400, "version"],
    [{ ...sound, facts: "0".repeat(64) }, 409, "facts"],
    [{ ...sound, more: 1 }, 400, "more"],
    [{ ...sound, model: "none" }, 404, "model"],
    [{ ...sound, tokens: someTokens(300) }, 400, "tokens"],
  ];
  for (const [body, status, param] of refused) {
    const told = await json("/v1/prefill", body);
    t.deepEqual([told.status, told.body.error.param], [status, param], JSON.stringify(told.body).slice(0, 200));
  }
  t.is(pair.metrics().prefillTokens, 0);
  t.is(server.handler.running, 0);
});

test("bodies are bounded, and those of random bytes are harmless", async (t) => {
  const { ask, sound, models, server } = await open(t, { serving: { limits: { bodyBytes: 4096 } } });
  t.is((await ask("/v1/prefill", { ...sound, tokens: someTokens(2000) })).status, 413);
  const random = mulberry32(3);
  for (let i = 0; i < 50; i++) {
    const text = JSON.stringify(sound);
    const at = Math.floor(random() * text.length);
    const body = `${text.slice(0, at)}${String.fromCharCode(Math.floor(random() * 65_536))}${text.slice(at + 1)}`;
    const { status } = await ask("/v1/prefill", i % 2 ? body : body.slice(0, at));
    t.true([200, 400, 404, 409].includes(status), `${status} for ${body}`);
  }
  const writer = await openWriter(t, models, server.url);
  t.is((await answerAlone(writer, someTokens(30), traced(4))).tokens.length, 4);
});

test("a client that goes away ends the reading, and one that takes nothing is dropped", async (t) => {
  const { pair, server, sound, ask, models } = await open(t, {
    batchSize: 8,
    serving: { limits: { slowReaderMs: 100 } },
  });
  const leaving = new AbortController();
  const answer = await ask("/v1/prefill", { ...sound, tokens: someTokens(900) }, { signal: leaving.signal });
  await answer.body?.getReader().read();
  leaving.abort();
  while (server.handler.running > 0) await new Promise((resolve) => setImmediate(resolve));
  t.true(pair.metrics().prefillTokens < 900, "all was read");

  const socket = connect(server.port, "127.0.0.1");
  const body = JSON.stringify({ ...sound, tokens: someTokens(900, 2) });
  socket.write(`POST /v1/prefill HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  socket.pause();
  await once(socket, "connect");
  const writer = await openWriter(t, models, server.url);
  t.is((await answerAlone(writer, someTokens(30), traced(4))).tokens.length, 4);
  socket.destroy();
});

test("all who come at once are served, or told to come again", async (t) => {
  const { server, sound, ask } = await open(t, { serving: { limits: { maxWaiting: 2 } } });
  const statuses = await Promise.all(
    Array.from({ length: 12 }, async (_, i) => {
      const answer = await ask("/v1/prefill", { ...sound, tokens: someTokens(200, i) });
      await answer.arrayBuffer();
      return answer.status;
    }),
  );
  t.true(
    statuses.every((status) => status === 200 || status === 503),
    statuses.join(),
  );
  t.true(statuses.filter((status) => status === 200).length >= 3, statuses.join());
  t.is(server.handler.running, 0);
});

test("a thousand connections that say nothing, or nonsense, do not keep others out for long", async (t) => {
  const { server, models } = await open(t, { serving: { auth: { keys }, maxConnections: 2000 } });
  const sockets: Socket[] = [];
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
  });
  const random = mulberry32(5);
  for (let i = 0; i < 1000; i++) {
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    sockets.push(socket);
    if (i % 3 === 0) socket.write(Buffer.from(Array.from({ length: 200 }, () => Math.floor(random() * 256))));
    if (i % 3 === 1) socket.write("POST /v1/prefill HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n{");
  }
  await Promise.all(sockets.map((socket) => (socket.connecting ? once(socket, "connect").catch(() => {}) : undefined)));
  const writer = await openWriter(t, models, { url: server.url, key: keys[0] });
  t.is((await answerAlone(writer, someTokens(30), traced(4))).tokens.length, 4);
});

test("through https: the answer is the same, and what was recorded opens nothing", async (t) => {
  const dir = withTempDir(t);
  const { certificate, key } = newCertificate();
  const [certificateFile, keyFile] = [join(dir, "certificate.pem"), join(dir, "key.pem")];
  writeFileSync(certificateFile, certificate);
  writeFileSync(keyFile, key);
  const models = await writeModels(t);
  const tls = { certificate: certificateFile, key: keyFile };
  const { pair, server } = await openReader(t, models, { serving: { tls, auth: { keys } } });
  t.regex(server.url, /^https:/);
  await refusal(t, "ERR_REMOTE_REFUSED", openWriter(t, models, { url: server.url, key: keys[0] }), "its certificate");

  const wire = await wireTo(t, server.port);
  const url = wire.url.replace("http:", "https:");
  const writer = await openWriter(t, models, { url, key: keys[0], ca: certificateFile });
  const local = await openPair(t, { ...models, contextSize: 1024 });
  const prompt = someTokens(200);
  t.deepEqual(
    (await answerAlone(writer, prompt, traced(8))).tokens,
    (await answerAlone(local, prompt, traced(8))).tokens,
  );
  const said = Buffer.concat(wire.said);
  t.false(said.includes(keys[0] as string));
  t.false(said.includes("tokens"));

  const before = pair.metrics().prefillTokens;
  const again = connect(server.port, "127.0.0.1");
  again.on("error", () => {});
  const answers: Buffer[] = [];
  again.on("data", (bytes) => answers.push(bytes));
  again.write(said);
  await once(again, "close");
  t.is(pair.metrics().prefillTokens, before);
  t.true(Buffer.concat(answers).length < 5000);
});

test("files for https: that are none are refused", async (t) => {
  const dir = withTempDir(t);
  const models = await writeModels(t);
  const none = join(dir, "none.pem");
  const serving = { tls: { certificate: none, key: none } };
  await refusal(t, "ERR_FILE_READ_FAILED", openReader(t, models, { serving }));
  writeFileSync(none, "nothing");
  await refusal(t, "ERR_DATA_INVALID", openReader(t, models, { serving }));
});
