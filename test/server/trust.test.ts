/** Whom the server answers, what it bears, and what it shows of others. */

import { request } from "node:http";
import { connect } from "node:net";
import test from "ava";
import { checkListening, createHandler, serve } from "../../lib/server/index.js";
import { refusal } from "../engine/fixtures.js";
import { endless, greeting, openScriptedPair, openServer, user } from "./fixtures.js";

const keys = [{ key: "first-secret-key", name: "alice" }, "second-secret-key"];
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const chat = "/v1/chat/completions";

test("with keys, everything but the health needs one, in either header", async (t) => {
  const { ask, json } = await openServer(t, { auth: { keys } });
  t.is((await ask("/health")).status, 200);
  for (const path of ["/v1/models", "/metrics", "/openapi.json", "/slots"]) {
    t.is((await ask(path)).status, 401, path);
    t.is((await ask(path, undefined, { headers: bearer("second-secret-key") })).status, 200, path);
  }
  const { status, body } = await json(chat, { messages: user("x") }, { headers: bearer("invalid-api-key") });
  t.deepEqual([status, body.error.type, body.error.code], [401, "authentication_error", "invalid_api_key"]);
  const own = await json(chat, { messages: user(greeting) }, { headers: { "x-api-key": "first-secret-key" } });
  t.is(own.status, 200);
});

test("what one key's requests have read is no other's", async (t) => {
  const { json } = await openServer(t, { auth: { keys }, pair: { maxSessions: 1 } });
  const cached = async (key: string) => {
    const { body } = await json(chat, { messages: user(greeting) }, { headers: bearer(key) });
    return body.usage.prompt_tokens_details.cached_tokens;
  };
  t.is(await cached("first-secret-key"), 0);
  t.true((await cached("first-secret-key")) > 0);
  t.is(await cached("second-secret-key"), 0);
});

test("an address that others can reach needs keys; a port in use is told", async (t) => {
  const pair = await openScriptedPair(t);
  const models = { small: pair };
  const error = await refusal(t, "ERR_INVALID_ARGUMENT", serve({ models, host: "0.0.0.0", port: 0 }));
  t.is(error.details.parameter, "options.auth.keys");
  const server = await serve({ models, host: "0.0.0.0", port: 0, auth: { keys } });
  t.teardown(() => server.close());
  const used = await refusal(
    t,
    "ERR_INVALID_ARGUMENT",
    serve({ models, port: server.port, host: "0.0.0.0", auth: { keys } }),
  );
  t.is(used.details.parameter, "options.port");
  const address = { port: server.port, host: "0.0.0.0", auth: { keys } };
  const told = await refusal(t, "ERR_INVALID_ARGUMENT", checkListening({ models, ...address }));
  t.deepEqual([told.message, told.details], [used.message, used.details]);
});

test("what cannot be listened with is told without a server, and leaves the port free", async (t) => {
  const models = { small: await openScriptedPair(t) };
  const tls = { certificate: "nowhere.pem", key: "nowhere.key.pem" };
  const unread = await refusal(t, "ERR_FILE_READ_FAILED", checkListening({ models, port: 0, tls }));
  t.true(unread.details.path.endsWith("nowhere.pem"));
  const wild = await refusal(t, "ERR_INVALID_ARGUMENT", checkListening({ models, port: 65_536 }));
  t.is(wild.details.parameter, "options.port");
  const server = await serve({ models, port: 0 });
  await server.close();
  await checkListening({ models, port: server.port });
  await (await serve({ models, port: server.port })).close();
});

/** A request with headers that `fetch` would not send. */
function raw(url: string, headers: Record<string, string>, method = "GET") {
  return new Promise<{ status: number | undefined; headers: NodeJS.Dict<string | string[]> }>((resolve, reject) => {
    request(url, { headers, method }, (response) => {
      response.resume();
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers }));
    })
      .on("error", reject)
      .end();
  });
}

test("pages of other sites are refused: by the name they were sent to, and by their origin", async (t) => {
  const { server } = await openServer(t, { auth: { origins: ["https://app.example"] } });
  const url = `${server.url}/v1/models`;
  const own = `127.0.0.1:${server.port}`;
  t.is((await raw(url, { host: "evil.example" })).status, 403);
  for (const host of ["localhost", `localhost:${server.port}`, own]) t.is((await raw(url, { host })).status, 200, host);
  for (const origin of ["http://evil.com", "http://localhost.evil.com", "null", "http://127.0.0.1:1"])
    t.is((await raw(url, { host: own, origin })).status, 403, origin);
  const same = await raw(url, { host: own, origin: `http://${own}` });
  t.deepEqual([same.status, same.headers["access-control-allow-origin"]], [200, undefined]);
  const app = await raw(url, { host: own, origin: "https://app.example" });
  t.deepEqual([app.status, app.headers["access-control-allow-origin"]], [200, "https://app.example"]);
  const preflight = await raw(
    url,
    { host: own, origin: "https://app.example", "access-control-request-method": "POST" },
    "OPTIONS",
  );
  t.deepEqual([preflight.status, preflight.headers["access-control-allow-methods"]], [204, "GET, POST, DELETE"]);
  t.is((await raw(url, { host: own, "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" })).status, 403);
});

test("bodies are bounded in size and in time, and no path is guessed", async (t) => {
  const { json, server } = await openServer(t, { limits: { bodyBytes: 2048, bodyMs: 1000 } });
  const large = await json(chat, { messages: user("x".repeat(4096)) });
  t.deepEqual([large.status, large.body.error.code], [413, "body_too_large"]);
  const pieces = (async function* () {
    for (let i = 0; i < 64; i++) yield Buffer.alloc(64, " ");
  })();
  const chunked = await fetch(server.url + chat, {
    method: "POST",
    body: ReadableStream.from(pieces) as never,
    duplex: "half",
  } as RequestInit);
  t.is(chunked.status, 413);
  const slow = await new Promise<string>((resolve) => {
    const socket = connect(server.port, "127.0.0.1", () =>
      socket.write(`POST ${chat} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{`),
    );
    socket.once("data", (data) => {
      resolve(data.toString());
      socket.destroy();
    });
  });
  t.regex(slow, /^HTTP\/1.1 408 /);
  const nothing = await json("/v1/embeddings", {});
  t.deepEqual([nothing.status, nothing.body.error.code], [404, "not_found"]);
  t.is((await json(chat)).status, 405);
});

test("where all sessions are busy and as many wait as may, the next is told to come later", async (t) => {
  const { ask, json, server } = await openServer(t, {
    pair: { maxSessions: 1 },
    limits: { maxWaiting: 1, waitMs: 50 },
  });
  const running = new AbortController();
  const endlessly = { messages: user(endless), stream: true };
  const first = await ask(chat, endlessly, { signal: running.signal });
  const waits = json(chat, { messages: user(greeting) });
  while (server.handler.running < 2) await new Promise((resolve) => setImmediate(resolve));
  const third = await json(chat, { messages: user(greeting) });
  t.deepEqual([third.status, third.headers.get("retry-after")], [503, "1"]);
  t.true(["queue_full", "queue_timeout"].includes(third.body.error.code));
  t.is((await waits).body.error.code, "queue_timeout");
  running.abort();
  await first.body?.cancel().catch(() => {});
  // The session is free when the engine's step has ended, which may be after the answer has.
  type Slots = readonly { readonly is_processing: boolean }[];
  while (((await json("/slots")).body as Slots).some((slot) => slot.is_processing))
    await new Promise((resolve) => setTimeout(resolve, 10));
  t.is((await json(chat, { messages: user(greeting) })).status, 200);
});

test("the time of a request is bounded where that is asked for", async (t) => {
  const { json } = await openServer(t, { limits: { requestMs: 1 } });
  const { status, body } = await json(chat, { messages: user(endless) });
  t.deepEqual([status, body.error.code], [504, "request_timeout"]);
});

test("the log has a line a request with its id, and no words of users unless they are asked for", async (t) => {
  for (const bodies of [false, true]) {
    const lines: string[] = [];
    const { ask, json } = await openServer(t, {
      auth: { keys },
      log: { bodies, write: (line) => void lines.push(line) },
    });
    const headers = { "x-request-id": "mine-1", ...bearer("first-secret-key") };
    const response = await ask(chat, { messages: user(`secret words ${greeting}`) }, { headers });
    await response.text();
    t.is(response.headers.get("x-request-id"), "mine-1");
    await json(chat, { messages: user("secret words"), hello: 1 }, { headers: bearer("first-secret-key") });
    const [line, second, ...more] = lines.map((one) => JSON.parse(one));
    t.deepEqual(more, []);
    t.like(line, { requestId: "mine-1", status: 200, path: chat, model: "small", key: "alice" });
    t.true(line.promptTokens > 0 && line.completionTokens > 0 && second.status === 400);
    t.is(lines.join("").includes("secret words"), bodies);
    t.false(lines.join("").includes("first-secret-key"));
  }
});

test("who is refused before anything is done has a line and a count, too", async (t) => {
  const lines: string[] = [];
  const log = { write: (line: string) => void lines.push(line) };
  const { ask, server } = await openServer(t, { auth: { keys, hosts: ["box.lan"] }, log });
  const key = { headers: bearer("first-secret-key") };
  const statuses = [
    (await ask(chat, { messages: user("x") }, { headers: bearer("wrong-secret-key") })).status,
    (await ask("/metrics")).status,
    await raw(`${server.url}/v1/models`, { host: "evil.example" }).then(({ status }) => status),
    (await ask("/nothing/here", undefined, key)).status,
    (await ask(chat, undefined, key)).status,
  ];
  t.deepEqual(statuses, [401, 401, 403, 404, 405]);
  await (await ask("/health")).text();
  t.deepEqual(
    lines.map((line) => JSON.parse(line)).map(({ status, path }) => [status, path]),
    [
      [401, chat],
      [401, "/metrics"],
      [403, "/v1/models"],
      [404, "/nothing/here"],
      [405, chat],
    ],
  );
  const metrics = await (await ask("/metrics", undefined, key)).text();
  for (const [route, status] of [
    [chat, 401],
    ["/metrics", 401],
    ["none", 403],
    ["none", 404],
    ["none", 405],
  ])
    t.true(metrics.includes(`overfill_requests_total{route="${route}",status="${status}"} 1`), metrics);
});

test("metrics, sessions and the document tell what they should, and nothing that was said", async (t) => {
  const { ask, json } = await openServer(t);
  await json(chat, { messages: user(greeting) });
  const metrics = await (await ask("/metrics")).text();
  t.regex(metrics, /overfill_requests_total\{route="\/v1\/chat\/completions",status="200"\} 1/);
  t.regex(metrics, /overfill_prefill_tokens_total\{model="small"\} [1-9]/);
  t.regex(metrics, /overfill_time_to_first_token_seconds_count\{model="small"\} 1/);
  const slots = (await json("/slots")).body;
  t.is(slots.length, 2);
  t.deepEqual(
    slots.map((slot: { n_ctx: number }) => slot.n_ctx),
    [1024, 1024],
  );
  t.true(slots.some(({ session }: { session: { decodeTokens: number } | null }) => (session?.decodeTokens ?? 0) > 0));
  t.false(JSON.stringify(slots).includes(greeting));
  const { openapi, paths, components } = (await json("/openapi.json")).body;
  t.regex(openapi, /^3\.1/);
  t.truthy(paths["/v1/chat/completions"].post && paths["/v1/responses/{id}"].get);
  t.truthy(components.schemas.ChatCompletionRequest.properties.messages);
});

test("a handler alone answers requests of the web, and ends what runs when it is disposed", async (t) => {
  const pair = await openScriptedPair(t);
  const handler = createHandler({ models: { small: { pair, defaults: { temperature: 0 } } } });
  const ask = (body: object) =>
    handler(new Request("http://localhost/v1/chat/completions", { method: "POST", body: JSON.stringify(body) }));
  const { choices } = (await (await ask({ messages: user(greeting) })).json()) as {
    choices: { message: { content: string } }[];
  };
  t.is(choices[0]?.message.content, "Good day.");
  const running = await ask({ messages: user(endless), stream: true });
  await handler.dispose();
  t.regex(await running.text(), /"code":"stopping"/);
  t.is((await ask({ messages: user(greeting) })).status, 503);
  t.false(pair.disposed);
});

test("closing waits for answers that end in time, and aborts those that do not", async (t) => {
  const { ask, server } = await openServer(t);
  const short = ask(chat, { messages: user(endless), max_tokens: 60 });
  while (server.handler.running < 1) await new Promise((resolve) => setImmediate(resolve));
  const closing = server.close({ graceMs: 30_000 });
  t.is((await short).status, 200);
  await closing;
  await t.throwsAsync(ask("/health"));
});
