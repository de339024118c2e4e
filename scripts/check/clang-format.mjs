/** Checks that native/ is formatted as .clang-format says, or formats it with --write. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const sources = /\.(c|cpp|cu|cuh|h|m|metal|mm)$/;
const files = readdirSync(join(root, "native"), { recursive: true })
  .filter((name) => sources.test(name))
  .map((name) => join("native", name))
  .sort();

// The npm package brings one fixed version: two versions seldom agree on every line.
const program = createRequire(import.meta.url)("clang-format").getNativeBinary();
const mode = process.argv.includes("--write") ? ["-i"] : ["--dry-run", "-Werror"];
const result = spawnSync(program, ["-style=file", ...mode, ...files], { cwd: root, stdio: "inherit" });
if (result.error) throw result.error;
if (result.status === 0) console.log(`clang-format: ${files.length} files are in order`);
else console.error("clang-format: run `npm run format`");
process.exitCode = result.status ?? 1;
