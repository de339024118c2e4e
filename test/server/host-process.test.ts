/** Models in processes of their own: a crash costs requests, and the model comes back. */

import test, { type ExecutionContext } from "ava";
import { hostOf, loadPairInHost } from "../../lib/host/index.js";
import { demoPair, type LoadPairOptions, Pair } from "../../lib/index.js";
import { type RunningServer, type ServedModel, serve } from "../../lib/server/index.js";
import { loadModel } from "../../lib/server/model-loading.js";
import { quiet } from "../engine/fixtures.js";
import { hostsOf, isAlive } from "../host/fixtures.js";
import { deadPort, lend } from "../remote/fixtures.js";
import { askers, endless, greeting, user, writeModel } from "./fixtures.js";

const chat = "/v1/chat/completions";
const said = { messages: user(greeting) };

async function loadOf(t: ExecutionContext): Promise<LoadPairOptions> {
  const model = await writeModel(t, "model", 65_536);
  return { ...quiet, prefill: { model }, contextSize: 65_536, maxSessions: 2, prefixCache: false };
}

async function serving(t: ExecutionContext, model: ServedModel, options: { readonly hostProcess?: boolean } = {}) {
  const server: RunningServer = await serve({ models: { small: model }, port: 0, ...options });
  t.teardown(() => server.close());
  return askers(server);
}

test("a crash is a 503 to who waits, and costs no later request anything", async (t) => {
  const pair = await loadPairInHost(await loadOf(t));
  t.teardown(() => pair.dispose());
  const { ask, json, events } = await serving(t, { pair, defaults: { temperature: 0 } });
  const before = await json(chat, said);
  t.is(before.status, 200);
  const stream = await ask(chat, { messages: user(endless), stream: true });
  const reader = (stream.body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  const whole = json(chat, { messages: user(endless), max_tokens: 60_000 });
  // Both are being answered.
  while ((await json("/slots")).body.filter((slot: { is_processing: boolean }) => slot.is_processing).length < 2);
  process.kill(hostOf(pair)?.pid ?? 0, "SIGKILL");
  const { status, body, headers } = await whole;
  t.deepEqual([status, body.error.code, headers.get("retry-after")], [503, "host_crashed", "1"]);
  t.notRegex(body.error.message, /llama|SIGKILL/);
  let rest = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) rest += Buffer.from(part.value);
  t.regex(rest, /"code":"host_crashed"/);
  // Both sessions of the pool were lost.
  for (const answer of await Promise.all([json(chat, said), json(chat, said), json(chat, said)])) {
    t.is(answer.status, 200);
    t.is(answer.body.choices[0].message.content, before.body.choices[0].message.content);
  }
  t.true((await events(chat, { ...said, stream: true })).length > 1);
});

test("a model whose process crashed too often is loaded anew by the next request", async (t) => {
  const load = await loadOf(t);
  const pair = await loadPairInHost({ ...load, maxRestarts: 0 });
  t.teardown(() => pair.dispose());
  const model = { load, pair, defaults: { temperature: 0 } };
  const { json } = await serving(t, model, { hostProcess: true });
  const pid = hostOf(pair)?.pid ?? 0;
  t.is((await json(chat, said)).status, 200);
  const waiting = json(chat, { messages: user(endless), max_tokens: 60_000 });
  while (!(await json("/slots")).body.some((slot: { is_processing: boolean }) => slot.is_processing));
  process.kill(pid, "SIGKILL");
  t.is((await waiting).body.error.code, "host_crashed");
  const { status, body } = await json(chat, said);
  t.deepEqual([status, body.choices?.[0].message.content], [200, "Good day."]);
  t.false(isAlive(pid));
});

test("a model whose process has ended while nobody asked is loaded anew, however it ended", async (t) => {
  const load = await loadOf(t);
  let crashed = () => {};
  const crash = new Promise<void>((resolve) => {
    crashed = resolve;
  });
  const pair = await loadPairInHost({ ...load, restart: "never", onCrash: () => crashed() });
  t.teardown(() => pair.dispose());
  const { json } = await serving(t, { load, pair, defaults: { temperature: 0 } }, { hostProcess: true });
  process.kill(hostOf(pair)?.pid ?? 0, "SIGKILL");
  await crash;
  const { status, body } = await json(chat, said);
  t.deepEqual([status, body.choices?.[0].message.content], [200, "Good day."]);
});

test("a model on another machine has a process of its own in any case", async (t) => {
  const { url } = await lend(t);
  await using pair = await loadModel(
    { ...demoPair, gpu: false, prefill: { ...demoPair.prefill, devices: [url] } },
    false,
  );
  t.not(hostOf(pair), undefined);
});

test("a server of the model's that is away is a 503 that says when to come again, and not where it is", async (t) => {
  const devices = [`rpc://127.0.0.1:${await deadPort()}`];
  const { json } = await serving(t, { load: { ...demoPair, gpu: false, prefill: { ...demoPair.prefill, devices } } });
  const { status, body, headers } = await json(chat, said);
  t.deepEqual([status, body.error.code, headers.get("retry-after")], [503, "remote_unreachable", "1"]);
  t.notRegex(body.error.message, /127\.0\.0\.1/);
});

test("a model is loaded in this process or in one of its own", async (t) => {
  const load = await loadOf(t);
  for (const inHost of [false, true]) {
    await using pair = await loadModel(load, inHost);
    t.true(pair instanceof Pair);
    t.is(hostOf(pair) !== undefined, inHost);
  }
});

(process.platform === "linux" ? test.serial : test.skip)(
  "a server gives each model that it loads its process",
  async (t) => {
    const { json } = await serving(t, { load: await loadOf(t) }, { hostProcess: true });
    t.is((await json(chat, { ...said, temperature: 0 })).body.choices[0].message.content, "Good day.");
    t.true(hostsOf(process.pid).length > 0);
  },
);
