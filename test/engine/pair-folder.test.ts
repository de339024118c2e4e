/** A folder as a pair: what `overfill.json` may say, and what each fault of it is told as. */

import { copyFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import test, { type ExecutionContext } from "ava";
import { loadPairInHost } from "../../lib/host/index.js";
import { demoPair, demoPrompt, loadPair, readPairFolder } from "../../lib/index.js";
import { deadPort } from "../remote/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";
import { refusal } from "./fixtures.js";

const sound = { overfill: "pair", version: 1, prefill: { model: "full.gguf" }, decode: { model: "decode.gguf" } };

/** A folder with the demo pair's models, and a file of what is given. */
function folderOf(t: ExecutionContext, content: unknown = sound): string {
  const folder = join(withTempDir(t), "pair");
  mkdirSync(folder);
  copyFileSync(demoPair.prefill.model, join(folder, "full.gguf"));
  copyFileSync(demoPair.decode.model, join(folder, "decode.gguf"));
  writeFileSync(join(folder, "overfill.json"), typeof content === "string" ? content : JSON.stringify(content));
  return folder;
}

async function answerOf(pair: Awaited<ReturnType<typeof loadPair>>): Promise<string> {
  try {
    const session = await pair.createSession();
    return (await session.generate(demoPrompt, { temperature: 0 })).text;
  } finally {
    await pair.dispose();
  }
}

test("a folder loads as its two models do, by path and by URL", async (t) => {
  const folder = folderOf(t);
  const expected = await answerOf(await loadPair(demoPair));
  t.is(await answerOf(await loadPair(folder)), expected);
  t.is(await answerOf(await loadPair(pathToFileURL(`${folder}/`))), expected);
});

test("a folder loads in a host", async (t) => {
  const expected = await answerOf(await loadPair(demoPair));
  t.is(await answerOf(await loadPairInHost(folderOf(t), { restart: "never" })), expected);
});

test("a folder that was moved loads, since its paths are its own", async (t) => {
  const folder = folderOf(t);
  renameSync(folder, `${folder}-elsewhere`);
  t.is((await readPairFolder(`${folder}-elsewhere`)).decode.model, join(`${folder}-elsewhere`, "decode.gguf"));
  await (await loadPair(`${folder}-elsewhere`)).dispose();
});

test("a reader outside of the folder is named by its path, and can be named anew", async (t) => {
  const folder = folderOf(t, { ...sound, prefill: { model: String(demoPair.prefill.model) } });
  rmSync(join(folder, "full.gguf"));
  await (await loadPair(folder)).dispose();
  writeFileSync(join(folder, "overfill.json"), JSON.stringify({ ...sound, prefill: { model: "/nowhere/full.gguf" } }));
  const error = await refusal(t, "ERR_MODEL_NOT_FOUND", loadPair(folder));
  t.regex(error.message, /full\.gguf does not exist; .*overfill\.json names it as the prefill model/);
  await (await loadPair(folder, { prefill: demoPair.prefill })).dispose();
});

test("the folder's context size counts where nobody asks for another", async (t) => {
  const folder = folderOf(t, { ...sound, contextSize: 256 });
  for (const [options, size] of [
    [undefined, 256],
    [{ contextSize: undefined }, 256],
    [{ contextSize: 512 }, 512],
  ] as const) {
    const pair = await loadPair(folder, options);
    t.is(pair.info.contextSize, size);
    await pair.dispose();
  }
});

test("a folder may name a server that reads, with the files that it takes", async (t) => {
  const said = { url: "https://a.example", keyFile: "reader.key", model: "big", ca: "/etc/office.pem" };
  const folder = folderOf(t, { ...sound, prefill: said });
  t.deepEqual(await readPairFolder(folder), {
    prefill: { ...said, keyFile: join(folder, "reader.key") },
    decode: { model: join(folder, "decode.gguf") },
  });
  await refusal(t, "ERR_FILE_READ_FAILED", loadPair(folder));
  await (await loadPair(folder, { prefill: { model: join(folder, "full.gguf") } })).dispose();
});

test("a server that is named beside a folder has the folder's translator", async (t) => {
  const folder = folderOf(t, { ...sound, translator: "none.gguf" });
  rmSync(join(folder, "full.gguf"));
  const prefill = { url: `http://127.0.0.1:${await deadPort()}` };
  await refusal(t, "ERR_REMOTE_UNREACHABLE", loadPair(folder, { prefill }));
});

const faults: Readonly<Record<string, readonly [unknown, string | undefined, RegExp]>> = {
  "text that is no JSON": ["{ pair", undefined, /it is not JSON/],
  "another kind of file": [{ name: "a" }, "name", /no such key/],
  "a key that there is not": [{ ...sound, transltor: "m.gguf" }, "transltor", /did you mean "translator"/],
  "a key inside that there is not": [
    { ...sound, decode: { model: "decode.gguf", gpuLayers: 1 } },
    "decode.gpuLayers",
    /no such key/,
  ],
  "no reader": [{ overfill: "pair", version: 1, decode: { model: "decode.gguf" } }, "prefill", /expected an object/],
  "an empty path": [{ ...sound, decode: { model: "" } }, "decode.model", /a text that is not empty/],
  "a later version": [{ ...sound, version: 2, more: {} }, "version", /version 2, and this overfill reads version 1/],
  "a version that is no number": [{ ...sound, version: "1" }, "version", /expected 1/],
  "a context of no tokens": [{ ...sound, contextSize: 0 }, "contextSize", /whole number/],
  "a server without an address": [{ ...sound, prefill: { url: "" } }, "prefill.url", /a text of 1 to 2048 characters/],
  "a key in the open": [{ ...sound, prefill: { url: "https://a.example", key: "k" } }, "prefill.key", /no such key/],
  "a translator beside a server": [
    { ...sound, prefill: { url: "https://a.example" }, translator: "m.gguf" },
    "translator",
    /no such key/,
  ],
  "a list": [[], undefined, /expected an object/],
};

for (const [what, [content, key, reason]] of Object.entries(faults))
  test(`${what} is refused`, async (t) => {
    const error = await refusal(t, "ERR_PAIR_FOLDER_INVALID", loadPair(folderOf(t, content)));
    const { details } = error as { readonly details: { readonly key?: string; readonly reason: string } };
    t.is(details.key, key);
    t.regex(error.message, reason);
  });

test("what is missing is told by its code", async (t) => {
  const folder = folderOf(t);
  rmSync(join(folder, "decode.gguf"));
  t.regex((await refusal(t, "ERR_MODEL_NOT_FOUND", loadPair(folder))).message, /names it as the decode model/);
  rmSync(join(folder, "overfill.json"));
  t.regex((await refusal(t, "ERR_FILE_READ_FAILED", loadPair(folder))).message, /no pair was made there/);
  await refusal(t, "ERR_FILE_READ_FAILED", loadPair(join(folder, "none")));
  await refusal(t, "ERR_FILE_READ_FAILED", loadPair(String(demoPair.prefill.model)));
  await refusal(t, "ERR_INVALID_ARGUMENT", readPairFolder(""));
  await refusal(t, "ERR_FILE_READ_FAILED", loadPair(folderOf(t, { ...sound, translator: "none.gguf" })));
});

test("what the folder says cannot be given beside it", async (t) => {
  for (const name of ["decode", "translator"])
    await refusal(t, "ERR_INVALID_ARGUMENT", loadPair(folderOf(t), { [name]: "x.gguf" }));
});

test("an abort comes through", async (t) => {
  const reason = new Error("enough");
  t.is(await t.throwsAsync(loadPair(folderOf(t), { signal: AbortSignal.abort(reason) })), reason);
});
