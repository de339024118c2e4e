/** The examples of docs/server.md run, and its configuration is one. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { demoQuestions } from "../../lib/engine/demo-pair.js";
import { checkServeOptions, readServerConfig } from "../../lib/server/index.js";
import { refusedInChat, refusedInCompletion } from "../../lib/server/request-schemas.js";
import { refusedInResponses } from "../../lib/server/responses-schema.js";
import { readPage, runProgram } from "../support/page-program.js";
import { withTempDir } from "../support/temp-dir.js";

const page = readPage("docs/server.md");

test("the examples run with the built package", async (t) => {
  const [served = "", mounted = "", ...more] = page.programs;
  t.is(more.length, 0);
  t.is((await runProgram(withTempDir(t), served)).stdout, `${demoQuestions[0]?.answer}\n`);
  t.is((await runProgram(withTempDir(t), mounted)).stdout, "demo\n");
});

test("the configuration is read as the page says", async (t) => {
  const [, config = ""] = /```json\n([\s\S]*?)```/.exec(page.text) ?? [];
  const folder = withTempDir(t);
  const file = join(folder, "overfill.config.json");
  writeFileSync(file, config);
  mkdirSync(join(folder, "pair"));
  writeFileSync(
    join(folder, "pair", "overfill.json"),
    JSON.stringify({ overfill: "pair", version: 1, prefill: { model: "full.gguf" }, decode: { model: "decode.gguf" } }),
  );
  writeFileSync(join(folder, "pair", "decode.gguf"), "");
  const { models, limits } = await readServerConfig(file);
  t.deepEqual(Object.keys(models), ["large", "tiny", "made"]);
  t.deepEqual(limits, { maxModels: 2, memoryBytes: 12 * 2 ** 30 });
});

test("a configuration with lent devices is read as the page says", async (t) => {
  const config = [...page.text.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text = ""]) => text);
  const folder = withTempDir(t);
  const file = join(folder, "overfill.config.json");
  writeFileSync(file, config.find((text) => text.includes('"devices"')) ?? "");
  const options = await readServerConfig(file);
  checkServeOptions(options);
  t.like(options.models.large, {
    load: {
      prefill: {
        model: join(folder, "70b.gguf"),
        devices: [
          { url: "rpcs://desktop.local:50052", key: join(folder, "desktop.key") },
          { url: "rpcs://attic.local:50052", key: join(folder, "attic.key") },
        ],
        split: [3, 1],
      },
      decode: { model: join(folder, "8b-pruned.gguf") },
    },
  });
});

test("all parameters that are known and not supported are in the table of what is refused", (t) => {
  const [, table = ""] = /## What is refused([\s\S]*?)\n## /.exec(page.text) ?? [];
  for (const name of [...refusedInChat, ...refusedInCompletion, ...refusedInResponses])
    t.true(table.includes(`\`${name}\``), name);
});
