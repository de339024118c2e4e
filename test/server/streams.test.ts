/** Streams of events: readers that are slow or gone, and answers that are written at the same time. */

import { connect } from "node:net";
import test from "ava";
import { eventStream, type ServerEvent } from "../../lib/server/event-stream.js";
import { Exchange, type Limits } from "../../lib/server/exchange.js";
import type { ModelStore } from "../../lib/server/model-store.js";
import { ResponseStore } from "../../lib/server/response-store.js";
import { endless, greeting, openServer, user } from "./fixtures.js";

const chat = "/v1/chat/completions";

const limits: Omit<Limits, "slowReaderMs"> = {
  ...{ bodyBytes: 1024, bodyMs: 1000, requestMs: undefined, maxChoices: 1, storedResponses: 1, storedBytes: 1024 },
};

interface Ended {
  readonly status: number;
  readonly error: unknown;
}

/** An exchange, and how it ended. */
function exchangeOf(slowReaderMs = 60_000): { exchange: Exchange; ended: Promise<Ended> } {
  let exchange: Exchange | undefined;
  const ended = new Promise<Ended>((resolve) => {
    exchange = new Exchange({
      request: new Request("http://localhost/"),
      ...{
        requestId: "test",
        store: {} as ModelStore,
        responses: new ResponseStore(limits),
        limits: { ...limits, slowReaderMs },
      },
      caller: { name: undefined, cacheKey: undefined },
      onEnd: (_, status, error) => resolve({ status, error }),
    });
  });
  return { exchange: exchange as unknown as Exchange, ended };
}

test("a reader that takes nothing is dropped after its time, and the work is stopped", async (t) => {
  const { exchange, ended } = exchangeOf(50);
  let stopped = false;
  async function* events(): AsyncGenerator<ServerEvent> {
    try {
      for (let n = 0; ; n++) yield { data: { n } };
    } finally {
      stopped = true;
    }
  }
  const response = await eventStream(exchange, events());
  const reader = response.body?.getReader();
  const first = await reader?.read();
  t.is(new TextDecoder().decode(first?.value), 'data: {"n":0}\n\n');
  t.is((await ended).status, 499);
  t.true(exchange.signal.aborted && stopped);
  await t.throwsAsync(async () => reader?.read(), { message: /too long/ });
});

test("one that never begins to read is dropped, too", async (t) => {
  const { exchange, ended } = exchangeOf(50);
  async function* events(): AsyncGenerator<ServerEvent> {
    yield { data: {} };
  }
  await eventStream(exchange, events());
  t.is((await ended).status, 499);
});

test("what fails before the first event is thrown, and later it is an event", async (t) => {
  const early = exchangeOf();
  // biome-ignore lint/correctness/useYield: it fails before it could
  async function* failing(): AsyncGenerator<ServerEvent> {
    throw new RangeError("early");
  }
  await t.throwsAsync(eventStream(early.exchange, failing()), { message: "early" });
  const late = exchangeOf();
  async function* broken(): AsyncGenerator<ServerEvent> {
    yield { data: { n: 0 } };
    throw new RangeError("with a secret");
  }
  const text = await (await eventStream(late.exchange, broken())).text();
  t.regex(text, /^data: \{"n":0\}\n\ndata: \{"error":\{"message":"the server failed"/);
  t.false(text.includes("secret"));
  t.is((await late.ended).status, 500);
});

test("a client that closes its connection frees the session, whether or not it had begun to read", async (t) => {
  const { server, json } = await openServer(t, { pair: { maxSessions: 1 } });
  const body = JSON.stringify({ messages: user(endless), stream: true });
  const head = `POST ${chat} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n`;
  for (const reads of [true, false]) {
    await new Promise<void>((resolve) => {
      const socket = connect(server.port, "127.0.0.1", () => socket.write(head + body));
      socket.on("close", () => resolve());
      if (reads) socket.once("data", () => socket.destroy());
      else {
        socket.pause();
        const timer = setInterval(() => {
          if (server.handler.running === 0) return;
          clearInterval(timer);
          socket.destroy();
        }, 5);
      }
    });
    t.is((await json(chat, { messages: user(greeting) })).body.choices[0].message.content, "Good day.");
  }
});

test("answers at the same time share batches", async (t) => {
  const { json, pair } = await openServer(t, { pair: { maxSessions: 4 } });
  // Longer than what may be written before the event loop takes any of it: none can be over before the next begins.
  const asked = { messages: user(endless), max_tokens: 600 };
  const answers = await Promise.all(Array.from({ length: 4 }, () => json(chat, asked)));
  for (const { body } of answers) t.is(body.choices[0].message.content, "on ".repeat(600));
  const { decodeTokens, decodeBatches } = pair.metrics();
  t.true(decodeBatches < decodeTokens, `${decodeTokens} tokens in ${decodeBatches} batches`);
});

test("where the app has sessions of the pair itself, requests share those that are left", async (t) => {
  const { json, pair } = await openServer(t, { pair: { maxSessions: 2 } });
  await using _own = await pair.createSession();
  const answers = await Promise.all(
    ["a", "b", "c"].map((name) => json(chat, { messages: user(`${name} ${greeting}`) })),
  );
  t.deepEqual(
    answers.map(({ body }) => body.choices[0].message.content),
    ["Good day.", "Good day.", "Good day."],
  );
  t.is(pair.metrics().sessions, 2);
});

test("lines of the log for people escape what a terminal would obey", async (t) => {
  const lines: string[] = [];
  const { ask } = await openServer(t, { log: { format: "text", write: (line) => void lines.push(line) } });
  await (await ask("/v1/models/%1b%5b31m")).text();
  await (await ask(chat, { messages: user(greeting), max_tokens: 1 }, { headers: { "x-request-id": "a\tb" } })).text();
  t.is(lines.length, 2);
  t.regex(lines[0] ?? "", /GET \/v1\/models\/%1b%5b31m 404 /);
  t.regex(lines[1] ?? "", /POST \/v1\/chat\/completions 200 \d+ ms small req_/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  for (const line of lines) t.regex(line, /^[^\u0000-\u001f]+\n$/);
});
