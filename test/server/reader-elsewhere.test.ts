/** A server whose prompts another one reads, or whose prefill model lies on devices of another machine, and these fail. */

import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, request as httpRequest, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { demoPair, demoPrompt, loadPair, type PrefillService } from "../../lib/index.js";
import { cellsType } from "../../lib/reader/cell-frames.js";
import { type ServedModel, type ServeOptions, serve } from "../../lib/server/index.js";
import { quiet } from "../engine/fixtures.js";
import { deadPort, fakeServer, lend, newKey } from "../remote/fixtures.js";
import { wireTo } from "../remote/prefill-fixtures.js";
import { withTempDir } from "../support/temp-dir.js";
import { askers, type Json, user } from "./fixtures.js";

const paths = ["/v1/chat/completions", "/v1/completions", "/v1/responses"] as const;

const bodyOf = (path: (typeof paths)[number], more: object) => ({
  ...(path === "/v1/chat/completions" && { messages: user("Count red, red and blue."), max_tokens: 3 }),
  ...(path === "/v1/completions" && { prompt: demoPrompt, max_tokens: 3 }),
  ...(path === "/v1/responses" && { input: "Count red, red and blue.", max_output_tokens: 3, store: false }),
  ...more,
});

async function serving(t: ExecutionContext, load: object, options: Partial<ServeOptions> = {}) {
  const model = { load: { ...quiet, ...load }, template: "chatml", defaults: { temperature: 0 } } as ServedModel;
  const server = await serve({ models: { small: model }, port: 0, ...options });
  t.teardown(() => server.close());
  return askers(server);
}

interface Reader {
  readonly url: string;
  readonly port: number;
  /** What becomes of a prompt that is to be read; undefined: it is read. */
  harm: ((response: ServerResponse) => void) | undefined;
}

/** The demo pair as a server that reads, behind one that may do something else with what it is asked. */
async function openReader(t: ExecutionContext): Promise<Reader> {
  const pair = await loadPair({ ...quiet, ...demoPair, maxSessions: 2 });
  t.teardown(() => pair.dispose());
  const server = await serve({ models: { demo: pair }, port: 0 });
  t.teardown(() => server.close());
  const front = createServer((asked, response) => {
    if (reader.harm && asked.method === "POST") {
      asked.resume().once("end", () => reader.harm?.(response));
      return;
    }
    const { method = "GET", url = "/", headers } = asked;
    const passed = httpRequest({ host: "127.0.0.1", port: server.port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    passed.on("error", () => response.destroy());
    asked.pipe(passed);
  }).listen(0, "127.0.0.1");
  await once(front, "listening");
  t.teardown(() => {
    front.closeAllConnections();
    front.close();
  });
  const { port } = front.address() as AddressInfo;
  const reader: Reader = { url: `http://127.0.0.1:${port}`, port, harm: undefined };
  return reader;
}

const readBy = (prefill: string | PrefillService, stallTimeoutMs = 30_000) => ({
  ...{ prefill: typeof prefill === "string" ? { url: prefill } : prefill, decode: demoPair.decode },
  remote: { timeoutMs: 20_000, stallTimeoutMs },
});

const refusing = (status: number, code: string) => (response: ServerResponse) =>
  void response
    .writeHead(status, { "content-type": "application/json" })
    .end(JSON.stringify({ error: { message: "no, at 10.0.0.1", type: "t", param: null, code } }));

const sending =
  (type: string, bytes: string | Buffer, isWhole = true) =>
  (response: ServerResponse) => {
    response.writeHead(200, { "content-type": type }).write(bytes, () => {
      if (isWhole) response.end();
      else response.destroy();
    });
  };

/** A frame that says that the server is alive: one more byte is the beginning of another. */
const halfAnAnswer = Buffer.from([1]);

const harms: readonly [title: string, harm: Reader["harm"], status: number, code: string, retryAfter: string | null][] =
  [
    ["ends the connection", (response) => void response.destroy(), 503, "remote_unreachable", "1"],
    ["goes away in its answer", sending(cellsType, halfAnAnswer, false), 503, "remote_lost", "1"],
    ["knows nobody by the key", refusing(401, "invalid_api_key"), 502, "remote_refused", null],
    ["is busy", refusing(503, "queue_full"), 503, "remote_failed", "1"],
    ["fails", refusing(500, "internal_error"), 502, "remote_failed", null],
    ["has other models since", refusing(409, "cells_mismatch"), 502, "remote_mismatch", null],
    ["is another server since", sending("text/html", "<html>"), 502, "remote_incompatible", null],
    ["sends what is no cells", sending(cellsType, Buffer.alloc(4096, 0xff)), 502, "remote_answer_invalid", "1"],
  ];

async function isTold(
  t: ExecutionContext,
  { ask }: Pick<ReturnType<typeof askers>, "ask">,
  [status, code, retryAfter]: readonly [number, string, string | null],
): Promise<void> {
  for (const path of paths)
    for (const stream of [false, true]) {
      const response = await ask(path, bodyOf(path, { stream }));
      const { error } = (await response.json()) as Json;
      const at = `${path}, ${stream ? "streamed" : "whole"}: ${JSON.stringify(error)}`;
      t.deepEqual([response.status, error.code, response.headers.get("retry-after")], [status, code, retryAfter], at);
      t.deepEqual(Object.keys(error), ["message", "type", "param", "code"], at);
      t.notRegex(error.message, /\d\.\d|http/, at);
    }
}

for (const [title, harm, ...told] of harms)
  test(`a server that reads and ${title} is told by status and code, and the next request is answered`, async (t) => {
    const reader = await openReader(t);
    const asking = await serving(t, readBy(reader.url));
    // Loaded before, so that it is the reading that fails.
    t.is((await asking.json(paths[1], bodyOf(paths[1], {}))).status, 200);
    reader.harm = harm;
    await isTold(t, asking, told);
    reader.harm = undefined;
    for (const path of paths) t.is((await asking.json(path, bodyOf(path, {}))).status, 200);
  });

test("a server that reads and says nothing is a 504", async (t) => {
  const reader = await openReader(t);
  // The first answer is not to be late where the machine is busy.
  const patient = await serving(t, readBy(reader.url));
  t.is((await patient.json(paths[1], bodyOf(paths[1], {}))).status, 200);
  const asking = await serving(t, readBy(reader.url, 300));
  reader.harm = () => {};
  await isTold(t, asking, [504, "remote_timeout", "1"]);
});

test("a server that reads and falls silent behind the answer's beginning is told in the stream", async (t) => {
  const reader = await openReader(t);
  const { ask } = await serving(t, readBy(reader.url, 12_000));
  // Longer than the status waits for the first piece of an answer.
  reader.harm = () => {};
  const response = await ask(paths[0], bodyOf(paths[0], { stream: true }));
  t.is(response.status, 200);
  const events = (await response.text()).split("\n").filter((line) => line.startsWith("data: "));
  const { error } = JSON.parse((events.at(-1) ?? "").slice("data: ".length)) as Json;
  t.deepEqual([error.code, error.type, error.param], ["remote_timeout", "server_error", null]);
});

test("a server that reads and cannot be had at the load is told likewise, and tried again", async (t) => {
  const away = await serving(t, readBy(`http://127.0.0.1:${await deadPort()}`));
  for (const _ of [1, 2]) await isTold(t, away, [503, "remote_unreachable", "1"]);
  const other = await serving(
    t,
    readBy(`http://127.0.0.1:${await fakeServer(t, (socket) => socket.end("hello\r\n"))}`),
  );
  await isTold(t, other, [502, "remote_incompatible", null]);
  const silent = { ...readBy(`http://127.0.0.1:${await fakeServer(t, () => {})}`), remote: { timeoutMs: 100 } };
  await isTold(t, await serving(t, silent), [504, "remote_timeout", "1"]);
  const keyFile = join(withTempDir(t), "reader.key");
  writeFileSync(keyFile, "# none yet\n");
  const keyless = await serving(t, readBy({ url: (await openReader(t)).url, keyFile }));
  await isTold(t, keyless, [500, "ERR_REMOTE_KEY_INVALID", null]);
});

test("a prompt that does not fit there does not fit here", async (t) => {
  const pair = await loadPair({ ...quiet, ...demoPair, contextSize: 256 });
  t.teardown(() => pair.dispose());
  const reader = await serve({ models: { demo: pair }, port: 0 });
  t.teardown(() => reader.close());
  const { json } = await serving(t, readBy(reader.url));
  const { status, body } = await json(paths[1], { prompt: demoPrompt.repeat(8), max_tokens: 1 });
  t.deepEqual([status, body.error.code, body.error.n_ctx], [400, "context_length_exceeded", 256]);
});

test("devices that are lost while they read are told as such, and the next request is answered when they are back", async (t) => {
  const { key, file } = newKey(t);
  const lent = await lend(t, { key });
  const wire = await wireTo(t, lent.port);
  const devices = [{ url: `rpcs://127.0.0.1:${wire.port}`, key: file }];
  const asking = await serving(t, { ...demoPair, prefill: { ...demoPair.prefill, devices } });
  t.is((await asking.json(paths[1], bodyOf(paths[1], {}))).status, 200);
  for (const stream of [false, true]) {
    // In the middle of what the server answers to the next prompt.
    wire.through = () => undefined;
    const response = await asking.ask(paths[0], bodyOf(paths[0], { stream }));
    const { error } = (await response.json()) as Json;
    t.deepEqual([response.status, error.code, response.headers.get("retry-after")], [503, "remote_lost", "1"]);
    wire.through = (bytes) => bytes;
    t.is((await asking.json(paths[1], bodyOf(paths[1], {}))).status, 200);
  }
});
