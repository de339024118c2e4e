/** Several models in one server: names, loading on demand within bounds, the configuration file. */

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { configJsonSchema } from "../../lib/server/config-schema.js";
import { readServerConfig, type ServeOptions, serve } from "../../lib/server/index.js";
import { quiet, refusal } from "../engine/fixtures.js";
import { askers, greeting, user, writeModel } from "./fixtures.js";

const chat = "/v1/chat/completions";

async function openModels(t: ExecutionContext, limits: ServeOptions["limits"] = {}) {
  const model = await writeModel(t);
  const load = { ...quiet, prefill: { model }, contextSize: 512, prefixCache: false } as const;
  const server = await serve({
    models: Object.fromEntries(["one", "two", "three"].map((name) => [name, { load, aliases: [`alias-${name}`] }])),
    port: 0,
    limits,
  });
  t.teardown(() => server.close());
  return { server, ...askers(server) };
}

const said = { messages: user(greeting), max_tokens: 2 };

test("models are loaded when they are asked for, and the longest unused goes when others come", async (t) => {
  const { json } = await openModels(t, { maxModels: 2 });
  const loaded = async () =>
    (await json("/v1/models")).body.data
      .filter(({ status }: { status: { value: string } }) => status.value === "loaded")
      .map(({ id }: { id: string }) => id);
  t.deepEqual(await loaded(), []);
  t.is((await json(chat, said)).status, 200);
  t.deepEqual(await loaded(), ["one"]);
  await json(chat, { ...said, model: "alias-two" });
  await json(chat, { ...said, model: "one" });
  await json(chat, { ...said, model: "three:exact" });
  t.deepEqual(await loaded(), ["one", "three"]);
});

test("requests for more models than fit at once wait for each other, and all are answered", async (t) => {
  const { json } = await openModels(t, { maxModels: 1 });
  const names = ["one", "two", "three", "two", "one", "three"];
  const answers = await Promise.all(names.map((model) => json(chat, { ...said, model })));
  t.deepEqual(
    answers.map(({ status }) => status),
    names.map(() => 200),
  );
  t.deepEqual(
    answers.map(({ body }) => body.model),
    names,
  );
});

test("a model larger than the memory is told, and one whose file is missing is no crash", async (t) => {
  const { json } = await openModels(t, { memoryBytes: 1000 });
  const { status, body } = await json(chat, said);
  t.deepEqual([status, body.error.code], [503, "model_too_large"]);
  const server = await serve({ models: { gone: { load: { prefill: { model: "/nowhere.gguf" } } } }, port: 0 });
  t.teardown(() => server.close());
  const gone = await askers(server).json(chat, said);
  t.deepEqual([gone.status, gone.body.error.code], [500, "ERR_MODEL_NOT_FOUND"]);
  t.false(JSON.stringify(gone.body).includes("nowhere"));
});

test("a configuration file names models relative to itself, and what is wrong in it is told by its path", async (t) => {
  const model = await writeModel(t);
  const file = join(dirname(model), "overfill.config.json");
  const write = (config: object) => writeFileSync(file, JSON.stringify(config));
  writeFileSync(join(dirname(model), "keys.txt"), "# a comment\nfirst-secret-key\n\n");
  write({
    models: {
      small: {
        prefill: "model.gguf",
        decode: { model: "model.gguf" },
        aliases: ["s"],
        defaults: { temperature: 0 },
        ...quiet,
      },
    },
    keysFile: "keys.txt",
    memory: "1.5G",
    port: 0,
    page: false,
    limits: { maxChoices: 2, storedBytes: 1000 },
  });
  const options = await readServerConfig(file);
  t.deepEqual(options.auth?.keys, ["first-secret-key"]);
  t.like(options.limits, { maxChoices: 2, storedBytes: 1000, memoryBytes: 1.5 * 2 ** 30 });
  t.false(options.page);
  const server = await serve(options);
  t.teardown(() => server.close());
  const headers = { "x-api-key": "first-secret-key" };
  const { body } = await askers(server).json(chat, { messages: user(greeting), model: "s" }, { headers });
  t.is(body.choices?.[0]?.message.content, "Good day.", JSON.stringify(body));
  write({ models: { small: { prefill: "model.gguf", contextsize: 1 } } });
  const error = await refusal(t, "ERR_DATA_INVALID", readServerConfig(file));
  t.true(error.message.includes("models.small.contextsize"), error.message);
  writeFileSync(file, "{");
  await refusal(t, "ERR_DATA_INVALID", readServerConfig(file));
  await refusal(t, "ERR_FILE_READ_FAILED", readServerConfig(`${file}.gone`));
});

test("a folder of a pair is a model of a configuration, alone or beside settings", async (t) => {
  const model = await writeModel(t);
  const folder = dirname(model);
  const pair = join(folder, "pair");
  const file = join(folder, "overfill.config.json");
  const write = (models: object) => writeFileSync(file, JSON.stringify({ models, port: 0 }));
  const writePair = (content: object) =>
    writeFileSync(join(pair, "overfill.json"), JSON.stringify({ overfill: "pair", version: 1, ...content }));
  mkdirSync(pair);
  copyFileSync(model, join(pair, "decode.gguf"));
  const sound = { prefill: { model: "../model.gguf" }, decode: { model: "decode.gguf" }, contextSize: 512 };
  writePair(sound);
  write({ alone: "pair", settled: { folder: "pair/", aliases: ["s"], contextSize: 256, ...quiet } });
  const options = await readServerConfig(file);
  const loads = Object.values(options.models).map((one) => ("load" in one ? one.load : undefined));
  const decode = { model: join(pair, "decode.gguf") };
  t.like(loads[0], { prefill: { model }, decode, contextSize: 512, maxSessions: 4 });
  t.like(loads[1], { prefill: { model }, decode, contextSize: 256 });
  const server = await serve(options);
  t.teardown(() => server.close());
  const { body } = await askers(server).json(chat, { messages: user(greeting), model: "s" });
  t.is(body.choices?.[0]?.message.content, "Good day.", JSON.stringify(body));

  writePair({ ...sound, prefill: { model: "/nowhere.gguf" } });
  write({ moved: { folder: "pair", prefill: "model.gguf" } });
  const [moved] = Object.values((await readServerConfig(file)).models);
  t.like(moved, { load: { prefill: { model }, decode } });

  const bad: readonly (readonly [object, string, RegExp])[] = [
    [{ one: { folder: "pair", decode: "model.gguf" } }, "ERR_DATA_INVALID", /models\.one: .*no decode beside folder/],
    [{ one: { folder: "pair", translator: "maps.gguf" } }, "ERR_DATA_INVALID", /no translator beside folder/],
    [{ one: { maxSessions: 2 } }, "ERR_DATA_INVALID", /models\.one: expected a folder of a pair, or prefill/],
    [{ one: "gone" }, "ERR_FILE_READ_FAILED", /no pair was made there/],
  ];
  for (const [models, code, told] of bad) {
    write(models);
    t.regex((await refusal(t, code as "ERR_DATA_INVALID", readServerConfig(file))).message, told);
  }
  write({ one: "pair" });
  writePair({ prefill: { model: "../model.gguf" } });
  await refusal(t, "ERR_PAIR_FOLDER_INVALID", readServerConfig(file));
  writePair({ ...sound, decode: { model: "gone.gguf" } });
  await refusal(t, "ERR_MODEL_NOT_FOUND", readServerConfig(file));
});

test("the published schema of the configuration is the one that it is checked with", (t) => {
  const published = JSON.parse(readFileSync(new URL("../../lib/server/config.schema.json", import.meta.url), "utf8"));
  t.deepEqual(published, JSON.parse(JSON.stringify(configJsonSchema())));
});

test("options that make no sense are refused before anything is served", async (t) => {
  const load = { prefill: { model: "x" } };
  for (const [options, parameter] of [
    [{ models: {} }, "options.models"],
    [{ models: { a: { lod: load } } }, "options.models.a.lod"],
    [{ models: { a: { load: { ...load, contextSize: 0 } } } }, "options.contextSize"],
    [{ models: { a: { load, defaults: { tools: {} } } } }, "options.models.a.defaults.tools"],
    [{ models: { a: { load } }, auth: { keys: ["short"] } }, "options.auth.keys.0"],
    [{ models: { a: { load } }, auth: { origins: ["app.example/"] } }, "options.auth.origins.0"],
    [{ models: { a: { load } }, limits: { bodyBytes: 1 } }, "options.limits.bodyBytes"],
    [{ models: { a: { load } }, port: 70_000 }, "options.port"],
  ] as const) {
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", serve(options as unknown as ServeOptions));
    t.is(error.details.parameter, parameter, error.message);
  }
});
