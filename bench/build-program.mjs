/**
 * Builds one of the benchmark's native programs with plain CMake, unless it is built, and prints where it and the back ends are,
 * as JSON.
 *
 *   node bench/build-program.mjs NAME    the program's target, which puts it into bin/
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { missingTools } from "../scripts/build/build-tools.mjs";
import { readConfiguration, treeDirectory } from "../scripts/build/configuration.mjs";
import { fail, root } from "../scripts/build/package-root.mjs";

function cmake(target, ...args) {
  const result = spawnSync("cmake", args, { encoding: "utf8" });
  if (result.status !== 0)
    fail(
      `${target} could not be built (cmake ${args[0]} failed):\n${result.stdout ?? ""}${result.stderr ?? result.error}`,
    );
}

/** The program that calls a room of the package is built with the package; the others have a project of their own. */
const projects = {
  "translate-bench": { source: root, definitions: { OVERFILL_BENCH: "ON" } },
};
const others = { source: join(root, "bench"), definitions: {} };

/** @returns the program's path and the folder of the platform package's libraries */
function buildProgram(target) {
  const missing = missingTools();
  if (missing !== undefined) fail(missing);
  const { mode, definitions: configured } = readConfiguration();
  if (mode !== "prebuilt")
    fail("the benchmark compares against the platform package's libraries: unset OVERFILL_LLAMA");
  const libraries = configured.OVERFILL_LLAMA_LIBRARY_DIR;

  const { source, definitions } = projects[target] ?? others;
  const tree = treeDirectory(target in projects ? `bench-${target}` : "bench-programs");
  const generator = spawnSync("ninja", ["--version"]).status === 0 ? ["-G", "Ninja"] : [];
  const flags = Object.entries({
    OVERFILL_LLAMA_SOURCE_DIR: configured.OVERFILL_LLAMA_SOURCE_DIR,
    OVERFILL_LLAMA_LIBRARY_DIR: libraries,
    ...definitions,
  }).map(([key, value]) => `-D${key}=${value}`);
  cmake(target, "-S", source, "-B", tree, ...generator, "--log-level=WARNING", ...flags);
  cmake(target, "--build", tree, "--config", "Release", "--target", target);

  const name = process.platform === "win32" ? `${target}.exe` : target;
  const program = [join(tree, "bin", name), join(tree, "bin", "Release", name)].find(existsSync);
  if (program === undefined) fail(`CMake has built no ${target}`);
  return { program, libraries };
}

const [wanted] = process.argv.slice(2);
if (wanted === undefined) fail("expected the name of a program");
console.log(JSON.stringify(buildProgram(wanted)));
