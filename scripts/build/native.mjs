/**
 * Builds the Node-API addon with cmake-js: build/Release/overfill.node, and beside it overfill.json, which tells the
 * loader where llama.cpp is and which version it must be. A second run without changes takes about a second.
 *
 *   node scripts/build/native.mjs [--output <folder>]    the environment variables are in configuration.mjs
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { missingTools } from "./build-tools.mjs";
import { jobs, readConfiguration, treeDirectory } from "./configuration.mjs";
import { fail, findPackage, isProgram, root } from "./package-root.mjs";

/** The packages of the build itself. node-llama-cpp depends on both, so that it alone is enough. */
function findBuildPackages() {
  const nodeLlamaCpp = findPackage("node-llama-cpp") ?? root;
  const [cmakeJs, nodeAddonApi] = ["cmake-js", "node-addon-api"].map(
    (name) =>
      findPackage(name) ??
      findPackage(name, nodeLlamaCpp) ??
      fail(`${name} is not installed; it comes with \`npm ci\``),
  );
  return { cmakeJs, nodeAddonApi };
}

function runCmakeJs(cmakeJs, tree, command, ...args) {
  const result = spawnSync(
    process.execPath,
    [join(cmakeJs, "bin", "cmake-js"), command, "--directory", root, "--out", tree, "--log-level", "error", ...args],
    { stdio: ["ignore", "inherit", "inherit"], cwd: root },
  );
  if (result.status !== 0) fail(`the native part could not be built (cmake-js ${command} failed)`);
}

/**
 * Windows: cmake-js chooses the static C++ run-time library, but C++ objects cross between the addon and llama.cpp's DLLs,
 * which use the shared one.
 */
function runtimeLibrary(mode) {
  return process.platform === "win32" && mode === "prebuilt" ? { CMAKE_MSVC_RUNTIME_LIBRARY: "MultiThreadedDLL" } : {};
}

/** Replaces `target` in one step: a process that has it loaded keeps the old file. */
function place(source, target) {
  const fresh = `${target}.${process.pid}`;
  copyFileSync(source, fresh);
  renameSync(fresh, target);
}

/** Builds the addon and puts it and its description into `output`. */
export function buildAddon(output = join(root, "build", "Release")) {
  const missing = missingTools();
  if (missing !== undefined) fail(missing);
  const { cmakeJs, nodeAddonApi } = findBuildPackages();
  const { mode, version, definitions, treeName } = readConfiguration();
  const tree = treeDirectory(`native-${treeName}`);

  // cmake-js configures only a tree without a cache, so a change of the definitions must be noticed here.
  const flags = Object.entries({
    ...definitions,
    ...runtimeLibrary(mode),
    OVERFILL_NODE_ADDON_API_DIR: nodeAddonApi,
  }).map(([key, value]) => `--CD${key}=${value}`);
  const record = join(tree, "overfill-configuration.txt");
  const configuration = `${flags.join("\n")}\n`;
  if (!existsSync(record) || readFileSync(record, "utf8") !== configuration) {
    runCmakeJs(cmakeJs, tree, "configure", ...flags);
    writeFileSync(record, configuration);
  }
  const build = (target) =>
    runCmakeJs(cmakeJs, tree, "build", ...flags, "--parallel", String(jobs), "--target", target);
  build("overfill");

  mkdirSync(output, { recursive: true });
  place(join(tree, "Release", "overfill.node"), join(output, "overfill.node"));
  if (definitions.OVERFILL_CUDA === "ON") {
    build("overfill_cuda");
    const library = process.platform === "win32" ? "overfill-cuda.dll" : "liboverfill-cuda.so";
    place(join(tree, library), join(output, library));
  }
  writeFileSync(join(output, "overfill.json"), `${JSON.stringify({ llama: mode, llamaVersion: version })}\n`);
  return output;
}

if (isProgram(import.meta.url)) {
  const at = process.argv.indexOf("--output");
  const output = buildAddon(at === -1 ? undefined : resolve(process.argv[at + 1] ?? fail("--output needs a folder")));
  console.log(`overfill: built ${join(output, "overfill.node")}`);
}
