/** Builds the native loop with plain CMake into build/bench-native-loop and prints where it and the back ends are, as JSON. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { missingTools } from "../../scripts/build/build-tools.mjs";
import { readConfiguration, treeDirectory } from "../../scripts/build/configuration.mjs";
import { fail } from "../../scripts/build/package-root.mjs";

function cmake(...args) {
  const result = spawnSync("cmake", args, { encoding: "utf8" });
  if (result.status !== 0)
    fail(
      `the native loop could not be built (cmake ${args[0]} failed):\n${result.stdout ?? ""}${result.stderr ?? result.error}`,
    );
}

const missing = missingTools();
if (missing !== undefined) fail(missing);
const { mode, definitions } = readConfiguration();
if (mode !== "prebuilt") fail("the benchmark compares against the platform package's libraries: unset OVERFILL_LLAMA");
const libraries = definitions.OVERFILL_LLAMA_LIBRARY_DIR;

const tree = treeDirectory("bench-native-loop");
const generator = spawnSync("ninja", ["--version"]).status === 0 ? ["-G", "Ninja"] : [];
cmake(
  ...["-S", fileURLToPath(new URL(".", import.meta.url)), "-B", tree, ...generator, "--log-level=WARNING"],
  `-DOVERFILL_LLAMA_SOURCE_DIR=${definitions.OVERFILL_LLAMA_SOURCE_DIR}`,
  `-DOVERFILL_LLAMA_LIBRARY_DIR=${libraries}`,
);
cmake("--build", tree, "--config", "Release", "--target", "native-loop");

const name = process.platform === "win32" ? "native-loop.exe" : "native-loop";
const program = [join(tree, "bin", name), join(tree, "bin", "Release", name)].find(existsSync);
if (program === undefined) fail("CMake has built no native loop");
console.log(JSON.stringify({ program, libraries }));
