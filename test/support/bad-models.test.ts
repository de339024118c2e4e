import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import test from "ava";
import { badModels } from "./bad-models.js";
import { withTempDir } from "./temp-dir.js";

test("bad models have titles of their own, and files but where a file must be missing", async (t) => {
  const models = await badModels(withTempDir(t));
  t.true(models.length > 150);
  t.is(new Set(models.map(({ title }) => title)).size, models.length);
  t.is(new Set(models.map(({ path }) => path)).size, models.length);
  for (const { title, path, code } of models) {
    t.is(existsSync(path), code !== "ERR_MODEL_NOT_FOUND", title);
    if (code === "ERR_MODEL_NOT_A_FILE") t.true((await stat(path)).isDirectory(), title);
  }
});

test("no two bad models are the same file", async (t) => {
  const models = await badModels(withTempDir(t));
  const files = models.filter(({ code }) => code === "ERR_MODEL_INVALID" || code === "ERR_MODEL_UNSUPPORTED");
  const seen = new Map<string, string>();
  for (const { title, path } of files) {
    const bytes = (await readFile(path)).toString("latin1");
    t.is(seen.get(bytes), undefined, title);
    seen.set(bytes, title);
  }
});
