/** Prefill servers that are not there, refuse, hang, lie, or go away in the middle; and clients that go away. */

import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import test, { type ExecutionContext } from "ava";
import { hostOf, loadPairInHost } from "../../lib/host/index.js";
import { OverfillError, type Pair, type Session } from "../../lib/index.js";
import type { RunningServer } from "../../lib/server/index.js";
import { greedy, openPair, quiet, readAnswer, refusal, someTokens, traced } from "../engine/fixtures.js";
import { mulberry32 } from "../support/random.js";
import { deadPort, fakeServer } from "./fixtures.js";
import { openReader, openWriter, type Wire, wireTo, writeModels } from "./prefill-fixtures.js";

/** Longer than a server takes that says every two seconds that it is alive, however busy the machine is. */
const patience = { remote: { timeoutMs: 30_000, stallTimeoutMs: 30_000 } } as const;
const impatience = { remote: { timeoutMs: 30_000, stallTimeoutMs: 4_000 } } as const;

async function httpServer(t: ExecutionContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("a server that is not there, hangs, or is another", async (t) => {
  const models = await writeModels(t);
  const load = (url: string, timeoutMs = 20_000) => openWriter(t, models, url, { remote: { timeoutMs } });
  await refusal(t, "ERR_REMOTE_UNREACHABLE", load(`http://127.0.0.1:${await deadPort()}`));
  await refusal(t, "ERR_REMOTE_TIMEOUT", load(`http://127.0.0.1:${await fakeServer(t, () => {})}`, 300));
  const garbage = await fakeServer(t, (socket) => socket.end("\x00\x01 nonsense\r\n\r\n"));
  await refusal(t, "ERR_REMOTE_INCOMPATIBLE", load(`http://127.0.0.1:${garbage}`));
  const page = await httpServer(t, (_, response) => response.end("<html>"));
  await refusal(t, "ERR_REMOTE_INCOMPATIBLE", load(page));
  const nothing = await httpServer(t, (_, response) => response.writeHead(404).end());
  await refusal(t, "ERR_REMOTE_INCOMPATIBLE", load(nothing));
  const newer = await httpServer(t, (_, response) => response.end(JSON.stringify({ object: "prefill", version: 2 })));
  await refusal(t, "ERR_REMOTE_INCOMPATIBLE", load(newer));
  const endless = await httpServer(t, (_, response) => void response.write(Buffer.alloc(2 ** 21)));
  await refusal(t, "ERR_REMOTE_INCOMPATIBLE", load(endless));
});

test("a file of certificates that cannot be read", async (t) => {
  const models = await writeModels(t);
  const prefill = { url: "https://127.0.0.1:1", ca: "/there/is/none.pem" };
  await refusal(t, "ERR_FILE_READ_FAILED", openWriter(t, models, prefill));
});

test("an aborted load asks no more", async (t) => {
  const models = await writeModels(t);
  const port = await fakeServer(t, () => aborting.abort(new Error("enough")));
  const aborting = new AbortController();
  await t.throwsAsync(openWriter(t, models, `http://127.0.0.1:${port}`, { signal: aborting.signal }), {
    message: "enough",
  });
});

interface Scene {
  readonly server: RunningServer;
  readonly writer: Pair;
  readonly wire: Wire;
  readonly session: Session;
  readonly expected: readonly number[];
  prompt(): Promise<readonly number[]>;
}

const prompt = someTokens(600, 4);

async function scene(t: ExecutionContext, remote: object = patience): Promise<Scene> {
  const models = await writeModels(t);
  const { server } = await openReader(t, models, { batchSize: 64 });
  const wire = await wireTo(t, server.port);
  const writer = await openWriter(t, models, wire.url, { ...remote, maxSessions: 1 });
  const session = await writer.createSession();
  const local = await openPair(t, { ...models, contextSize: 1024, batchSize: 64 });
  await using there = await local.createSession();
  await there.prefill(prompt);
  await there.switch();
  const expected = (await readAnswer(there.decode(traced(8)))).tokens;
  return {
    ...{ server, writer, wire, session, expected },
    async prompt() {
      await session.prefill(prompt);
      await session.switch();
      return (await readAnswer(session.decode(traced(8)))).tokens;
    },
  };
}

/** Nothing of a prompt that failed is left, and the next one is right. */
async function isWholeAgain(t: ExecutionContext, { session, wire, prompt: again, expected }: Scene) {
  t.is(session.stats().contextTokens, 0);
  wire.through = (bytes) => bytes;
  wire.resume();
  t.deepEqual(await again(), expected);
}

/** Lets the first bytes of an answer pass, and does something with what comes at byte `at`. */
function at(wire: Wire, byte: number, harm: (bytes: Buffer, offset: number) => Buffer | undefined) {
  let passed = 0;
  wire.through = (bytes) => {
    const offset = byte - passed;
    passed += bytes.length;
    return offset < 0 || offset >= bytes.length ? bytes : harm(bytes, offset);
  };
}

/** Where in the answer, whose length is some 615 kB. */
const places = [10, 400, 60_000, 300_000, 600_000];

for (const place of places) {
  test(`a connection that is cut at byte ${place}`, async (t) => {
    const all = await scene(t);
    at(all.wire, place, () => undefined);
    const error = await t.throwsAsync(all.prompt());
    t.true(["ERR_REMOTE_LOST", "ERR_REMOTE_UNREACHABLE"].includes((error as OverfillError).code), String(error));
    await isWholeAgain(t, all);
  });

  test(`an answer that goes wrong at byte ${place}`, async (t) => {
    const all = await scene(t);
    at(all.wire, place, (bytes, offset) => {
      const wrong = Buffer.from(bytes);
      wrong[offset] = (wrong[offset] ?? 0) ^ 0x55;
      return wrong;
    });
    const outcome = await all.prompt().catch((error: unknown) => error);
    if (Array.isArray(outcome)) t.deepEqual(outcome, all.expected, "a header that says nothing");
    else {
      t.true(OverfillError.isInstance(outcome), String(outcome));
      t.regex((outcome as OverfillError).code, /^ERR_REMOTE_/);
      await isWholeAgain(t, all);
    }
  });
}

test("a connection that falls silent ends within the time", async (t) => {
  const all = await scene(t, impatience);
  at(all.wire, 100_000, (bytes) => {
    all.wire.pause();
    return bytes;
  });
  await refusal(t, "ERR_REMOTE_TIMEOUT", all.prompt());
  all.wire.cut();
  await isWholeAgain(t, all);
});

test("a host that waits for a server is not taken for one that hangs", async (t) => {
  const models = await writeModels(t);
  const { server } = await openReader(t, models);
  const wire = await wireTo(t, server.port);
  const writer = await loadPairInHost({
    ...{ ...quiet, contextSize: 1024, prefill: { url: wire.url }, decode: { model: models.decode } },
    ...{ remote: { stallTimeoutMs: 2_500 }, stallTimeoutMs: 1_000 },
  });
  t.teardown(() => writer.dispose());
  await using session = await writer.createSession();
  wire.pause();
  await refusal(t, "ERR_REMOTE_TIMEOUT", session.prefill(prompt));
  wire.cut();
  wire.resume();
  await session.prefill(prompt);
  t.is(hostOf(writer)?.restarts, 0);
});

test("aborts leave nothing behind, here and there", async (t) => {
  const models = await writeModels(t);
  const { pair, server } = await openReader(t, models, { batchSize: 16 });
  const wire = await wireTo(t, server.port);
  const writer = await openWriter(t, models, wire.url);
  await using session = await writer.createSession();
  for (const byte of [1, 50_000, 500_000]) {
    const aborting = new AbortController();
    at(wire, byte, (bytes) => {
      aborting.abort(new Error("enough"));
      return bytes;
    });
    await t.throwsAsync(session.prefill(prompt, { signal: aborting.signal }), { message: "enough" });
    t.is(session.stats().contextTokens, 0);
  }
  // The server's own session is free again, or this would wait for ever.
  wire.through = (bytes) => bytes;
  await session.prefill(prompt);
  t.is(server.handler.running, 0);
  t.is(pair.metrics().tasks.ready, 0);
});

test("a disposed session, and a disposed pair, end what is fetched", async (t) => {
  const models = await writeModels(t);
  const { server } = await openReader(t, models, { batchSize: 16 });
  const wire = await wireTo(t, server.port);
  const writer = await openWriter(t, models, wire.url);
  const session = await writer.createSession();
  at(wire, 1000, (bytes) => {
    void session.dispose();
    return bytes;
  });
  await refusal(t, "ERR_DISPOSED", session.prefill(prompt));
  const second = await writer.createSession();
  at(wire, 1000, (bytes) => {
    void writer.dispose();
    return bytes;
  });
  await refusal(t, "ERR_DISPOSED", second.prefill(prompt));
});

test("one stage at a time, also while cells are fetched", async (t) => {
  const models = await writeModels(t);
  const { server } = await openReader(t, models);
  const writer = await openWriter(t, models, server.url);
  await using session = await writer.createSession();
  const first = session.prefill(prompt);
  await refusal(t, "ERR_SESSION_BUSY", session.prefill(prompt));
  await refusal(t, "ERR_SESSION_BUSY", session.switch());
  await first;
  await session.switch();
  t.is((await readAnswer(session.decode({ ...greedy, maxTokens: 3, ignoreEos: true }))).tokens.length, 3);
});

test("a server whose sessions are all taken says that it is alive", async (t) => {
  const models = await writeModels(t);
  const { server, pair } = await openReader(t, models, { maxSessions: 1 });
  const wire = await wireTo(t, server.port);
  // Less than the time in which a failure may become another endpoint's status, and far more than a sign of life takes.
  const writer = await openWriter(t, models, wire.url, { remote: { stallTimeoutMs: 8_000 } });
  await using session = await writer.createSession();
  const taken = await pair.createSession();
  const alive = new Promise<void>((resolve) => {
    wire.through = (bytes) => {
      resolve();
      return bytes;
    };
  });
  const prefill = session.prefill(prompt);
  await Promise.race([alive, prefill]);
  await taken.dispose();
  t.is((await prefill).contextTokens, prompt.length);
});

test("a server that stops says so", async (t) => {
  const models = await writeModels(t);
  const { server } = await openReader(t, models);
  const writer = await openWriter(t, models, server.url, patience);
  await using session = await writer.createSession();
  await server.handler.dispose();
  await refusal(t, "ERR_REMOTE_FAILED", session.prefill(prompt));
  await server.close();
  await refusal(t, "ERR_REMOTE_UNREACHABLE", session.prefill(prompt));
});

test("another context there is an overflow", async (t) => {
  const models = await writeModels(t);
  const { server } = await openReader(t, models, { contextSize: 256 });
  const writer = await openWriter(t, models, server.url);
  await using session = await writer.createSession();
  const { details } = await refusal(t, "ERR_CONTEXT_OVERFLOW", session.prefill(prompt));
  t.is(details.contextSize, 256);
  await refusal(t, "ERR_CONTEXT_OVERFLOW", session.prefill(someTokens(2000)));
});

test("at random moments: a right answer or a coded error, and never a hang", async (t) => {
  const all = await scene(t, impatience);
  const random = mulberry32(11);
  const codes = new Map<string, number>();
  for (let i = 0; i < 25; i++) {
    // Each silence takes its time.
    const kind = i % 8 === 3 ? 1 : Math.floor(random() * 2) * 2;
    at(all.wire, Math.floor(random() * 640_000), (bytes) => {
      if (kind === 0) return undefined;
      if (kind === 1) all.wire.pause();
      else setImmediate(() => all.wire.cut());
      return bytes;
    });
    const outcome = await all.prompt().catch((error: unknown) => error);
    all.wire.cut();
    all.wire.resume();
    if (Array.isArray(outcome)) t.deepEqual(outcome, all.expected);
    else t.true(OverfillError.isInstance(outcome), String(outcome));
    const name = Array.isArray(outcome) ? "right" : (outcome as OverfillError).code;
    codes.set(name, (codes.get(name) ?? 0) + 1);
    await all.session.truncate(0);
  }
  t.log(Object.fromEntries(codes));
  await isWholeAgain(t, all);
  // Nothing of it is left on either side.
  while (all.server.handler.running > 0) await new Promise((resolve) => setImmediate(resolve));
  t.true(all.wire.open <= 1);
  t.is(all.writer.metrics().sessions, 1);
  t.like(all.writer.metrics().tasks, { ready: 0, waitingForReader: 0 });
});
