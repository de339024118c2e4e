/** The commands and the example of docs/make.md run, one after the other, as a reader would run them. */

import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { runProgram } from "../support/page-program.js";
import { withTempDir } from "../support/temp-dir.js";
import { blocksOf, posixTest, walk, walkFolder } from "./walk-through.js";

const blocks = blocksOf("docs/make.md");

posixTest("the walk-through runs", async (t) => {
  const folder = walkFolder(t);
  const commands = blocks("sh");
  t.is(commands.length, 4);
  const [first = "", plan = "", ...rest] = commands;
  const planned = await walk(folder, first, plan);
  t.regex(planned, /│ healing +│/);
  t.regex(planned, /Nothing was made\./);
  t.false(existsSync(join(folder, "pair")));
  const made = await walk(folder, ...rest);
  t.regex(made, /│ agrees with the full model, quantised +│ +[\d.]+% │/);
  t.regex(made, /│ type +│ +q4_0 │/);
  t.notRegex(`${planned}${made}`, /NaN|undefined|Infinity/);
  for (const name of ["pair", "coarse"])
    t.deepEqual(
      readdirSync(join(folder, name)).sort(),
      ["card.md", "card.svg", "decode.gguf", "overfill.json", "work"],
      name,
    );

  const [example, ...others] = blocks("js");
  t.is(others.length, 0);
  const { stdout: told } = await runProgram(folder, example ?? "");
  t.is(told, "true true\nshare\n");
});

test("the page's overfill.json is one that is read", async (t) => {
  const { readPairFolder } = await import("../../lib/index.js");
  const folder = withTempDir(t);
  writeFileSync(join(folder, "overfill.json"), blocks("json")[0] ?? "");
  writeFileSync(join(folder, "decode.gguf"), "");
  const { prefill, contextSize } = await readPairFolder(folder);
  t.deepEqual(
    { prefill: (prefill.model ?? "").replaceAll("\\", "/").replace(/^[A-Z]:/, ""), contextSize },
    {
      prefill: "/models/full.gguf",
      contextSize: 4096,
    },
  );
});
