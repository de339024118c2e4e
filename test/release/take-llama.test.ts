import { readFileSync } from "node:fs";
import test from "ava";
import { constantsWith, manifestWith } from "../../scripts/release/take-llama.mjs";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

test("every package of node-llama-cpp gets the version, and nothing else changes", (t) => {
  const before = JSON.parse(read("package.json"));
  const after = JSON.parse(manifestWith(read("package.json"), "9.8.7"));
  const names = Object.keys(before.optionalDependencies);
  t.true(names.length > 0);
  for (const name of names) t.is(after.optionalDependencies[name], "9.8.7");
  t.is(after.devDependencies["node-llama-cpp"], "9.8.7");
  const own = before.devDependencies["node-llama-cpp"];
  t.deepEqual(JSON.parse(JSON.stringify(after).replaceAll('"9.8.7"', JSON.stringify(own))), before);
});

test("the text of package.json stays as it is where nothing changes", (t) => {
  const text = read("package.json");
  t.is(manifestWith(text, JSON.parse(text).devDependencies["node-llama-cpp"]), text);
});

test("the constant follows", (t) => {
  const text = constantsWith(read("lib/internal/versions.ts"), "9.8.7");
  t.regex(text, /export const llamaPackagesVersion = "9\.8\.7";/);
  t.throws(() => constantsWith("export const other = 1;", "9.8.7"), { message: /llamaPackagesVersion/ });
});
