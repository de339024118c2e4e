/** Who waits for a model: in which order models come and go, and what bounds the waiting. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import test, { type ExecutionContext } from "ava";
import type { LoadPairOptions } from "../../lib/index.js";
import { ApiError, clientClosed } from "../../lib/server/api-error.js";
import { createHandler, type ServeOptions, serve } from "../../lib/server/index.js";
import { fileBytes } from "../../lib/server/model-memory.js";
import { type Lease, type ListedModel, ModelStore, type StoreLimits } from "../../lib/server/model-store.js";
import { quiet } from "../engine/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";
import { askers, endless, greeting, user, writeModel } from "./fixtures.js";

const chat = "/v1/chat/completions";
const said = { messages: user(greeting), max_tokens: 2 };

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

async function loadOf(t: ExecutionContext, contextSize = 1024): Promise<LoadPairOptions> {
  const model = await writeModel(t, "model", contextSize);
  return { ...quiet, prefill: { model }, contextSize, maxSessions: 2, prefixCache: false };
}

/** A store of its own, whose models are one and the same file. */
async function openStore(t: ExecutionContext, limits: Partial<StoreLimits> = {}, names = ["one", "two", "three"]) {
  const load = await loadOf(t);
  const store = new ModelStore(Object.fromEntries(names.map((name) => [name, { load }])), {
    ...{
      maxModels: Number.POSITIVE_INFINITY,
      memoryBytes: Number.POSITIVE_INFINITY,
      maxWaiting: 64,
      waitMs: undefined,
      hostProcess: false,
    },
    ...limits,
  });
  t.teardown(() => store.dispose());
  const of = (name: string) => store.list().find((model) => model.name === name) as ListedModel;
  const until = async (name: string, is: (model: ListedModel) => boolean) => {
    while (!is(of(name))) await turn();
  };
  const lease = (name: string, signal = new AbortController().signal) => store.lease(name, signal);
  /** A lease of a model that somebody uses: one that waits since the model is to leave, as it is when that has been seen. */
  const heldUp = async (name: string) => {
    for (;;) {
      const later = lease(name);
      await turn();
      if (of(name).waiting > 0) return { later };
      (await later).release();
    }
  };
  const loaded = () =>
    store
      .list()
      .filter((model) => model.loaded)
      .map(({ name }) => name);
  return { store, of, until, lease, heldUp, loaded };
}

test("a client that leaves while it waits for a model holds nothing up", async (t) => {
  // The answer is not to end by itself meanwhile.
  const load = await loadOf(t, 65_536);
  const models: ServeOptions["models"] = { one: { load }, two: { load } };
  const server = await serve({ models, port: 0, limits: { maxModels: 1 } });
  t.teardown(() => server.close());
  const { ask, json } = askers(server);
  const waiting = async () =>
    (await json("/v1/models")).body.data.map(({ status }: { status: { waiting: number } }) => status.waiting);
  const running = new AbortController();
  const endlessly = { messages: user(endless), model: "one", stream: true };
  const first = await ask(chat, endlessly, { signal: running.signal });
  const leaving = new AbortController();
  const second = ask(chat, { ...said, model: "two" }, { signal: leaving.signal });
  while ((await waiting())[1] === 0) await turn();
  leaving.abort();
  await t.throwsAsync(second, { any: true });
  while ((await waiting())[1] > 0) await turn();
  t.is((await json(chat, { ...said, model: "one" })).status, 200);
  running.abort();
  await first.body?.cancel().catch(() => {});
  t.is((await json(chat, { ...said, model: "two" })).status, 200);
});

test("a model in steady use cannot keep another one waiting: who comes later waits behind it", async (t) => {
  const { lease, of, until, heldUp, loaded } = await openStore(t, { maxModels: 1 });
  const first = await lease("one");
  const waits = lease("two");
  await until("two", ({ waiting }) => waiting === 1);
  const { later } = await heldUp("one");
  t.deepEqual(loaded(), ["one"]);
  first.release();
  const second = await waits;
  t.deepEqual([loaded(), of("one").waiting], [["two"], 1]);
  second.release();
  (await later).release();
  t.deepEqual(loaded(), ["one"]);
});

test("who leaves lets those pass who waited behind", async (t) => {
  const { lease, until, heldUp, loaded } = await openStore(t, { maxModels: 1 });
  const first = await lease("one");
  const leaving = new AbortController();
  const waits = lease("two", leaving.signal);
  await until("two", ({ waiting }) => waiting === 1);
  const { later } = await heldUp("one");
  leaving.abort(clientClosed());
  await t.throwsAsync(waits, { message: /closed/ });
  (await later).release();
  first.release();
  t.deepEqual(loaded(), ["one"]);
});

test("models that have room beside each other are loaded at the same time", async (t) => {
  const { lease, store } = await openStore(t);
  const leases = Promise.all(["one", "two", "three"].map((name) => lease(name)));
  let most = 0;
  while (store.list().some(({ loaded }) => !loaded)) {
    most = Math.max(most, store.list().filter(({ isLoading }) => isLoading).length);
    await turn();
  }
  t.is(most, 3);
  for (const { release } of await leases) release();
});

test("those that are loaded at the same time share the memory", async (t) => {
  const { models } = await fileBytes(await loadOf(t));
  const { lease, store } = await openStore(t, { memoryBytes: 1.5 * models });
  const leases = ["one", "two", "three"].map(async (name) => (await lease(name)).release());
  let most = 0;
  const isOver = Promise.all(leases).then(() => true);
  while (!(await Promise.race([isOver, turn()]))) {
    const taken = store.list().filter(({ loaded, isLoading }) => loaded || isLoading);
    most = Math.max(most, taken.length);
  }
  t.is(most, 1);
});

test("the longest unused is the one whose use ended first", async (t) => {
  const { lease, loaded } = await openStore(t, { maxModels: 2 });
  const one = await lease("one");
  (await lease("two")).release();
  one.release();
  (await lease("three")).release();
  t.deepEqual(loaded(), ["one", "three"]);
});

test("a load that nobody waits for any more is given up, and begins anew for who comes then", async (t) => {
  const { lease, until, of } = await openStore(t);
  let abandoned = 0;
  // A load that had ended just then stays; with so many, one has not.
  for (const name of ["one", "two", "three"]) {
    const leaving = new AbortController();
    const left = lease(name, leaving.signal);
    await until(name, ({ isLoading }) => isLoading);
    leaving.abort(clientClosed());
    await t.throwsAsync(left, { message: /closed/ });
    await until(name, ({ isLoading }) => !isLoading);
    if (!of(name).loaded) abandoned++;
    (await lease(name)).release();
    t.truthy(of(name).loaded);
  }
  t.true(abandoned > 0);
});

test("as many wait for a model as may, and as long", async (t) => {
  const { lease, until } = await openStore(t, { maxModels: 1, maxWaiting: 1, waitMs: 50 });
  // A load may take longer than that; then it goes on for who comes again.
  const patiently = async (name: string): Promise<Lease> => {
    try {
      return await lease(name);
    } catch (error) {
      if (!(error instanceof ApiError) || error.facts.code !== "queue_timeout") throw error;
      return patiently(name);
    }
  };
  const first = await patiently("one");
  const waits = lease("two");
  await until("two", ({ waiting }) => waiting === 1);
  await t.throwsAsync(lease("two"), { message: /1 requests wait/ });
  await t.throwsAsync(waits, { message: /within 50 ms/ });
  first.release();
  (await patiently("two")).release();
});

test("a load goes on for who ran out of time, and comes again", async (t) => {
  const { lease, until } = await openStore(t);
  const timeout = new AbortController();
  const waits = lease("one", timeout.signal);
  await until("one", ({ isLoading }) => isLoading);
  timeout.abort(new Error("out of time"));
  await t.throwsAsync(waits, { message: "out of time" });
  await until("one", ({ loaded }) => loaded !== undefined);
  t.pass();
});

test("a reader that takes its time does not keep the model, once its answer is written", async (t) => {
  const load = await loadOf(t);
  const models = { one: { load }, two: { load } };
  await using handler = createHandler({ models, limits: { maxModels: 1, slowReaderMs: 3_600_000 } });
  const ask = (path: string, body: object) =>
    handler(new Request(`http://localhost${path}`, { method: "POST", body: JSON.stringify(body) }));
  const asked = { temperature: 0, max_tokens: 2, stream: true };
  const unread = [
    await ask(chat, { ...asked, messages: user(greeting), model: "one" }),
    await ask("/v1/completions", { ...asked, prompt: greeting, model: "one" }),
  ];
  t.is((await ask(chat, { ...said, model: "two" })).status, 200);
  for (const response of unread) t.regex(await response.text(), /Good[\s\S]* day\.[\s\S]*\[DONE\]\n\n$/);
});

test("the size of a model is that of all its parts and adapters, each file once", async (t) => {
  const folder = withTempDir(t);
  const file = (name: string, bytes: number) => {
    writeFileSync(join(folder, name), Buffer.alloc(bytes));
    return join(folder, name);
  };
  const full = file("full-00001-of-00003.gguf", 1000);
  file("full-00002-of-00003.gguf", 200);
  file("full-00003-of-00003.gguf", 30);
  const small = file("small.gguf", 4);
  const adapters = [{ file: file("a.gguf", 5) }, { file: pathToFileURL(file("b.gguf", 6)) }];
  t.deepEqual(await fileBytes({ prefill: { model: full }, decode: { model: pathToFileURL(small), adapters } }), {
    models: 1234,
    adapters: 11,
  });
  const writers = { a: { model: full, adapters }, b: { model: small, adapters: adapters.slice(1) } };
  t.deepEqual(await fileBytes({ prefill: { model: full }, decode: writers }), { models: 1234, adapters: 11 });
  t.deepEqual(await fileBytes({ prefill: { model: join(folder, "none.gguf") } }), { models: 0, adapters: 0 });
});
