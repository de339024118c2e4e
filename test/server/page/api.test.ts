/** The page's requests, and what it says when they fail. */

import test from "ava";
import { createApi, RequestFailure } from "../../../lib/server/page/browser/api.js";

const base = "http://server.example/chat/";

function apiOf(respond: (request: Request) => Response | Promise<Response>, key = "") {
  const requests: Request[] = [];
  const fetchFake = async (address: string | URL | Request, init?: RequestInit) => {
    const request = new Request(address, init);
    requests.push(request);
    return respond(request);
  };
  return { api: createApi({ base, key: () => key, fetch: fetchFake as typeof fetch }), requests };
}

const streamOf = (...events: readonly string[]) => new Response(events.map((event) => `data: ${event}\n\n`).join(""));

async function collect(chunks: AsyncIterable<unknown>): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const chunk of chunks) found.push(chunk);
  return found;
}

const { signal } = new AbortController();

test("requests go below the page's address, and carry the key where there is one", async (t) => {
  const locked = apiOf(() => Response.json({ data: [] }), "secret");
  t.deepEqual(await locked.api.models(), { data: [] });
  t.is(locked.requests[0]?.url, "http://server.example/chat/v1/models");
  t.is(locked.requests[0]?.headers.get("authorization"), "Bearer secret");
  const open = apiOf(() => streamOf('{"choices":[]}', "[DONE]"));
  t.deepEqual(await collect(open.api.answer({ model: "a" }, signal)), [{ choices: [] }]);
  t.is(open.requests[0]?.headers.get("authorization"), null);
  t.deepEqual(await open.requests[0]?.json(), { model: "a", stream: true, stream_options: { include_usage: true } });
});

const failure = (status: number, body: string) => async () => new Response(body, { status });
const refused = JSON.stringify({
  error: { message: "no such model", type: "x", param: "model", code: "model_not_found" },
});

for (const [title, respond, status, words] of [
  ["OpenAI's error", failure(404, refused), 404, "no such model (model_not_found, model)"],
  ["an error without a code", failure(400, '{"error":{"message":"too long","code":null}}'), 400, "too long"],
  ["an error that is a string", failure(400, '{"error":"too long"}'), 400, "too long"],
  ["a page of a proxy", failure(502, "<h1>Bad gateway</h1>"), 502, "The server answered 502."],
  [
    "an error in the middle",
    async () => streamOf('{"choices":[]}', refused),
    200,
    "no such model (model_not_found, model)",
  ],
  ["a stream that ends early", async () => streamOf('{"choices":[]}'), 200, "broke off"],
  ["a chunk that is no JSON", async () => streamOf("<h1>"), 200, "no part of an answer"],
  ["no server", () => Promise.reject(new TypeError("fetch failed")), 0, "cannot be reached"],
] as const) {
  test(`${title} is a failure that says: ${words}`, async (t) => {
    const error = await t.throwsAsync(collect(apiOf(respond).api.answer({}, signal)), { instanceOf: RequestFailure });
    t.is(error?.status, status);
    t.true(error?.message.includes(words), error?.message);
  });
}

test("a list of models that is no JSON is a failure too", async (t) => {
  await t.throwsAsync(apiOf(failure(200, "<html>")).api.models(), {
    instanceOf: RequestFailure,
    message: /list of models/,
  });
});

test("an aborted answer rejects with the reason of the abort", async (t) => {
  const abort = new AbortController();
  const reason = new Error("stopped");
  const { api } = apiOf(
    () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            abort.abort(reason);
            controller.error(new Error("the connection is gone"));
          },
        }),
      ),
  );
  t.is(await t.throwsAsync(collect(api.answer({}, abort.signal))), reason);
});
