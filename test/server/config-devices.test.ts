/** Models of a configuration whose prefill model lies on devices of other machines. */

import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { demoPair, demoPrompt, loadPair, type PairInfo } from "../../lib/index.js";
import { readServerConfig, serve } from "../../lib/server/index.js";
import { fileBytes, loadedBytes } from "../../lib/server/model-memory.js";
import { quiet, refusal } from "../engine/fixtures.js";
import { lend, newKey } from "../remote/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";
import { askers } from "./fixtures.js";

const { prefill, decode } = demoPair;
const model = String(prefill.model);

function openConfig(t: ExecutionContext) {
  const folder = withTempDir(t);
  const file = join(folder, "overfill.config.json");
  const write = (reader: unknown, more: object = {}) =>
    writeFileSync(file, JSON.stringify({ models: { lent: { prefill: reader, ...more } }, port: 0 }));
  const read = async () => (await readServerConfig(file)).models.lent as { readonly load: object };
  return { folder, file, write, read };
}

test("devices, their keys and shares are those of loadPair, with paths relative to the file", async (t) => {
  const { folder, write, read } = openConfig(t);
  write({
    ...{ model: "full.gguf", gpuLayers: 12, split: [3, 1] },
    devices: [
      { url: "rpcs://desktop.local:50052", keyFile: "keys/desktop.key" },
      { url: "rpc://10.0.0.1:50052", insecure: true },
    ],
  });
  t.deepEqual((await read()).load, {
    prefill: {
      ...{ model: join(folder, "full.gguf"), gpuLayers: 12, split: [3, 1] },
      devices: [
        { url: "rpcs://desktop.local:50052", key: join(folder, "keys/desktop.key") },
        { url: "rpc://10.0.0.1:50052", insecure: true },
      ],
    },
    maxSessions: 4,
  });
  write({ model: "full.gguf", devices: ["rpc://127.0.0.1:50052"] });
  t.like((await read()).load, { prefill: { devices: ["rpc://127.0.0.1:50052"] } });
});

test("what is no list of devices is told by its path in the file", async (t) => {
  const { file, write } = openConfig(t);
  const url = "rpcs://desktop.local:50052";
  const bad: readonly (readonly [reader: unknown, told: string, more?: object])[] = [
    [{ model: "m", devices: [] }, "models.lent.prefill.devices"],
    [{ model: "m", devices: url }, "models.lent.prefill.devices"],
    [{ model: "m", devices: [{ keyFile: "k" }] }, "models.lent.prefill.devices.0.url"],
    [{ model: "m", devices: [{ url, key: "a secret has no place here" }] }, "models.lent.prefill.devices.0.key"],
    [{ model: "m", devices: [url], split: [-1] }, "models.lent.prefill.split.0"],
    [{ model: "m", devices: [url], remote: {} }, "models.lent.prefill.remote"],
    ["m", "models.lent.decode.devices", { decode: { model: "m", devices: [url] } }],
  ];
  for (const [reader, told, more] of bad) {
    write(reader, more);
    const { message } = await refusal(t, "ERR_DATA_INVALID", readServerConfig(file));
    t.true(message.includes(told), message);
    t.false(message.includes("a secret"), message);
  }
});

test("devices that could never be used are told when the file is read, by their path in it", async (t) => {
  const { file, write } = openConfig(t);
  const bad = [
    [{ devices: ["rpcs://desktop.local:50052"] }, /models\.lent: prefill\.devices\.0: expected a key .*keyFile/],
    [{ devices: ["rpc://10.0.0.1:50052"] }, /models\.lent: prefill\.devices\.0: expected rpcs:/],
    [{ devices: ["desktop.local"] }, /models\.lent: prefill\.devices\.0: expected rpc:/],
    [{ devices: ["rpc://127.0.0.1:1", "rpc://127.0.0.1:1"] }, /models\.lent: prefill\.devices: expected each .*once/],
    [{ split: [1] }, /models\.lent: prefill\.split: expected none without devices/],
  ] as const;
  for (const [reader, told] of bad) {
    write({ model: "m", ...reader });
    const error = await refusal(t, "ERR_DATA_INVALID", readServerConfig(file));
    t.regex(error.message, told);
  }
  const load = { prefill: { model: "m", devices: ["desktop.local"] } };
  const unread = await refusal(t, "ERR_INVALID_ARGUMENT", serve({ models: { lent: { load } } }));
  t.is(unread.details.parameter, "options.prefill.devices.0");
});

/** Room for the decode model and the caches, and for nothing of the prefill model. */
async function roomFor(info: PairInfo): Promise<number> {
  return info.kvBytes + statSync(String(decode.model)).size;
}

test("such a model answers as one that is all here, and its weights take none of this machine's memory", async (t) => {
  const { folder, file, write } = openConfig(t);
  const { key, file: keyFile } = newKey(t);
  const { url } = await lend(t, { key });
  const local = await loadPair({ ...quiet, ...demoPair });
  t.teardown(() => local.dispose());
  const session = await local.createSession();
  const { text } = await session.generate(demoPrompt, { temperature: 0, maxTokens: 12 });

  const more = { decode: decode.model, gpu: false, threads: 1, maxSessions: 1, defaults: { temperature: 0 } };
  write({ model, devices: [{ url, keyFile }] }, { ...more, contextSize: local.info.contextSize });
  const server = await serve({ ...(await readServerConfig(file)), limits: { memoryBytes: await roomFor(local.info) } });
  t.teardown(() => server.close());
  const { body } = await askers(server).json("/v1/completions", { prompt: demoPrompt, max_tokens: 12 });
  t.is(body.choices?.[0]?.text, text, JSON.stringify(body));

  // A key that is none is the operator's to mend.
  writeFileSync(join(folder, "none.key"), "nothing", { mode: 0o600 });
  write({ model, devices: [{ url, keyFile: "none.key" }] }, more);
  const keyless = await serve(await readServerConfig(file));
  t.teardown(() => keyless.close());
  const refused = await askers(keyless).json("/v1/completions", { prompt: demoPrompt, max_tokens: 1 });
  t.deepEqual([refused.status, refused.body.error.code], [500, "ERR_REMOTE_KEY_INVALID"]);
});

test("weights on devices elsewhere are not counted, unless some of the layers stay", async (t) => {
  const devices = ["rpc://127.0.0.1:1"];
  const [full, small] = [model, String(decode.model)].map((path) => statSync(path).size) as [number, number];
  const countedFiles = async (reader: object) =>
    (await fileBytes({ prefill: { model, ...reader }, decode: { model: String(decode.model) } })).models;
  t.is(await countedFiles({}), full + small);
  t.is(await countedFiles({ devices }), small);
  t.is(await countedFiles({ devices, gpuLayers: "all" }), small);
  t.is(await countedFiles({ devices, gpuLayers: 1 }), full + small);
  const pair = await loadPair({ ...quiet, ...demoPair });
  t.teardown(() => pair.dispose());
  const here = loadedBytes(pair.info, { prefill: { model } });
  t.is(here - loadedBytes(pair.info, { prefill: { model, devices } }), pair.info.prefill.sizeBytes);
});
