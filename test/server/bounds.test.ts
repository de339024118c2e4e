/** What is refused before it can cost much, and who is let in by names that an app has allowed. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { createHandler, readKeys } from "../../lib/server/index.js";
import { refusal } from "../engine/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";
import { greeting, openScriptedPair, openServer, user } from "./fixtures.js";

const chat = "/v1/chat/completions";

test("many faults in one body are told by the first of them", async (t) => {
  const { json } = await openServer(t);
  const zeros = Array(200_000).fill(0);
  for (const message of [
    { role: "user", content: zeros },
    { role: "assistant", tool_calls: zeros },
  ]) {
    const { status, body } = await json(chat, { messages: [message] });
    t.deepEqual([status, body.error.type], [400, "invalid_request_error"]);
    t.true(body.error.message.length < 300);
  }
});

test("a schema is data, whatever its members are called, and has no more parts than a tool's may have", async (t) => {
  const { json } = await openServer(t);
  const ask = (schema: object) =>
    json(chat, {
      messages: user(greeting),
      response_format: { type: "json_schema", json_schema: { name: "it", schema } },
      max_tokens: 4,
    });
  for (const standard of [null, 1, {}, { validate: "no function", jsonSchema: {} }]) {
    const { status } = await ask({ type: "boolean", "~standard": standard });
    t.true([200, 400, 422].includes(status), `${status}`);
  }
  const properties = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`p${i}`, { type: "boolean" }]));
  const { status, body } = await ask({ type: "object", properties });
  t.is(status, 400);
  t.regex(body.error.message, /at most 4096 parts/);
});

test("a name's quality wins over refreshes that the model has by default", async (t) => {
  const pair = await openScriptedPair(t);
  const defaults = { temperature: 0, refreshInterval: 8 };
  await using handler = createHandler({ models: { small: { pair, defaults } } });
  for (const [path, body] of [
    [chat, { messages: user(greeting) }],
    ["/v1/completions", { prompt: greeting, max_tokens: 4 }],
  ] as const)
    for (const model of ["small", "small:fast", "small:exact", "small:0.3"]) {
      const request = new Request(`http://localhost${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ ...body, model }),
      });
      t.is((await handler(request)).status, 200, `${path} ${model}`);
    }
});

test("names and origins that are allowed come to those of this machine", async (t) => {
  const pair = await openScriptedPair(t);
  const origins = ["app://notes", "https://app.example"];
  await using handler = createHandler({ models: { small: { pair } }, auth: { hosts: ["box.lan"], origins } });
  const statusOf = async (url: string, headers: Record<string, string> = {}) =>
    (await handler(new Request(`${url}/v1/models`, { headers }))).status;
  t.is(await statusOf("http://box.lan:8080"), 200);
  t.is(await statusOf("http://127.0.0.1:8080"), 200);
  t.is(await statusOf("http://evil.example"), 403);
  t.is(await statusOf("http://localhost", { origin: "app://notes" }), 200);
  t.is(await statusOf("http://localhost", { origin: "app://other" }), 403);

  // Clients of other makers send headers of their own.
  const asked = "authorization,content-type,x-stainless-os";
  const preflight = await handler(
    new Request(`http://localhost${chat}`, {
      method: "OPTIONS",
      headers: { origin: "https://app.example", "access-control-request-headers": asked },
    }),
  );
  t.deepEqual([preflight.status, preflight.headers.get("access-control-allow-headers")], [204, asked]);
  for (const origin of ["app://notes/", "https://app.example/path", "null", "notes"])
    t.throws(() => createHandler({ models: { small: { pair } }, auth: { origins: [origin] } }), {
      code: "ERR_INVALID_ARGUMENT",
    });
});

test("a key that is none is refused without being shown, and a file without keys does not open the server", async (t) => {
  const pair = await openScriptedPair(t);
  for (const keys of [["sechsx7"], [{ key: "pässwörter" }]]) {
    const error = t.throws(() => createHandler({ models: { small: { pair } }, auth: { keys } }), {
      code: "ERR_INVALID_ARGUMENT",
      message: /options\.auth\.keys\.0: expected a key of 8 or more visible characters/,
    });
    t.notRegex(JSON.stringify(error) + error?.message, /sechsx7|pässwörter/);
  }
  const file = join(withTempDir(t), "keys.txt");
  for (const text of ["", "\n# none yet\n"]) {
    writeFileSync(file, text);
    await refusal(t, "ERR_DATA_INVALID", readKeys(file));
  }
  writeFileSync(file, "# two\nfirst-key\n second-key \n");
  t.deepEqual(await readKeys(file), ["first-key", "second-key"]);
});
