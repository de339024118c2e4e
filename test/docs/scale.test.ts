/** The tables of docs/scale.md are what its program prints. */

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "ava";

const fromHere = (path: string) => fileURLToPath(new URL(path, import.meta.url));

test("the tables are those of the simulation", (t) => {
  const page = readFileSync(fromHere("../../docs/scale.md"), "utf8");
  const args = ["--import=tsx", fromHere("../../scripts/report/scale/main.ts")];
  const { stdout, status } = spawnSync(process.execPath, args, { encoding: "utf8" });
  t.is(status, 0);
  const tables = stdout.trim().split("\n\n");
  t.is(tables.length, 2);
  for (const table of tables) t.true(page.includes(`\n${table}\n`), table);
});
