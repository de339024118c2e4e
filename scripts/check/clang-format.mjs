/** Checks that the C and C++ of native/ and scripts/ is formatted as .clang-format says, or formats it with --write. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const sources = /\.(c|cpp|cu|cuh|h|m|metal|mm)$/;
const files = ["native", "scripts"]
  .flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, name)))
  .filter((name) => sources.test(name))
  .sort();

// The npm package brings one fixed version: two versions seldom agree on every line.
const program = createRequire(import.meta.url)("clang-format").getNativeBinary();
const mode = process.argv.includes("--write") ? ["-i"] : ["--dry-run", "-Werror"];
const result = spawnSync(program, ["-style=file", ...mode, ...files], { cwd: root, stdio: "inherit" });
if (result.error) throw result.error;
if (result.status === 0) console.log(`clang-format: ${files.length} files are in order`);
else console.error("clang-format: run `npm run format`");
process.exitCode = result.status ?? 1;
