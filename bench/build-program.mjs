/** Builds one of the benchmark's native programs with plain CMake into build/<tree> and tells where it and the back ends are. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { missingTools } from "../scripts/build/build-tools.mjs";
import { readConfiguration, treeDirectory } from "../scripts/build/configuration.mjs";
import { fail } from "../scripts/build/package-root.mjs";

function cmake(target, ...args) {
  const result = spawnSync("cmake", args, { encoding: "utf8" });
  if (result.status !== 0)
    fail(
      `${target} could not be built (cmake ${args[0]} failed):\n${result.stdout ?? ""}${result.stderr ?? result.error}`,
    );
}

/**
 * @param source the folder with the CMakeLists.txt
 * @param target the program's target, which puts it into bin/
 * @param definitions more definitions, by name
 * @returns the program's path and the folder of the platform package's libraries
 */
export function buildProgram(source, target, definitions = {}) {
  const missing = missingTools();
  if (missing !== undefined) fail(missing);
  const { mode, definitions: configured } = readConfiguration();
  if (mode !== "prebuilt")
    fail("the benchmark compares against the platform package's libraries: unset OVERFILL_LLAMA");
  const libraries = configured.OVERFILL_LLAMA_LIBRARY_DIR;

  const tree = treeDirectory(`bench-${target}`);
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
