/**
 * Builds and runs the native tests: plain programs without Node-API, in the tree of the addon, whose rooms are not
 * compiled twice. Arguments go to ctest, such as `-R handover`. The environment variables are in configuration.mjs.
 */
import { spawnSync } from "node:child_process";
import { jobs } from "./configuration.mjs";
import { configureTree } from "./native.mjs";
import { fail, root } from "./package-root.mjs";

function run(program, args, environment = process.env) {
  const result = spawnSync(program, args, { stdio: ["ignore", "inherit", "inherit"], cwd: root, env: environment });
  if (result.error) fail(`${program} could not be started: ${result.error.message}`);
  return result.status ?? 1;
}

const { definitions, tree } = configureTree();
if (run("cmake", ["-S", root, "-B", tree, "-DOVERFILL_TESTS=ON"]) !== 0)
  fail("CMake could not configure the native tests");
if (run("cmake", ["--build", tree, "--config", "Release", "--parallel", String(jobs)]) !== 0)
  fail("the native tests could not be built");

const libraries = definitions.OVERFILL_LLAMA_LIBRARY_DIR;
const searchPath = { linux: "LD_LIBRARY_PATH", darwin: "DYLD_LIBRARY_PATH", win32: "PATH" }[process.platform];
const environment = { ...process.env };
if (libraries !== "" && searchPath !== undefined)
  environment[searchPath] = [libraries, environment[searchPath]]
    .filter(Boolean)
    .join(process.platform === "win32" ? ";" : ":");
process.exitCode = run(
  "ctest",
  ["--test-dir", tree, "-C", "Release", "--output-on-failure", "--parallel", String(jobs), ...process.argv.slice(2)],
  environment,
);
