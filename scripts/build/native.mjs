/**
 * Builds the Node-API addon with cmake-js: build/Release/overfill.node, and beside it overfill.json, which tells the
 * loader where llama.cpp is and which version it must be. A second run without changes takes about a second.
 *
 *   node scripts/build/native.mjs [--output <folder>]    the environment variables are in configuration.mjs
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, relative, resolve } from "node:path";
import { missingTools } from "./build-tools.mjs";
import { jobs, readConfiguration, treeDirectory } from "./configuration.mjs";
import { fail, findPackage, isProgram, readManifest, root } from "./package-root.mjs";

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

/** CMake refuses a tree that was made for another folder: a clone was copied or moved together with its build/. */
function isTreeOfAnotherClone(tree) {
  const cache = join(tree, "CMakeCache.txt");
  if (!existsSync(cache)) return false;
  const [, home = ""] = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(readFileSync(cache, "utf8")) ?? [];
  return !existsSync(home) || realpathSync(home) !== root;
}

/** A hash of all that the addon is made of but the tools, in a clone anywhere. */
function hashOfSources(mode, version, { OVERFILL_SANITIZE, OVERFILL_CUDA }) {
  const hash = createHash("sha256").update(JSON.stringify([mode, version, OVERFILL_SANITIZE, OVERFILL_CUDA]));
  const files = ["native", "cmake"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  for (const file of [...files, join(root, "CMakeLists.txt")].sort())
    hash
      .update(`${relative(root, file)}\0`)
      .update(readFileSync(file))
      .update("\0");
  return hash.digest("hex");
}

/** ggml's RPC back end, which the addon loads from beside itself. A build from source has it linked in. */
export function rpcLibrary(platform = process.platform) {
  if (platform === "win32") return "overfill-ggml-rpc.dll";
  return platform === "darwin" ? "liboverfill-ggml-rpc.dylib" : "liboverfill-ggml-rpc.so";
}

/** Whether `folder` holds an addon that was built of what is here now. */
export function isCurrentAddon(folder) {
  const description = join(folder, "overfill.json");
  if (!existsSync(description) || !existsSync(join(folder, "overfill.node"))) return false;
  const { mode, version, definitions } = readConfiguration();
  if (mode === "prebuilt" && !existsSync(join(folder, rpcLibrary()))) return false;
  const { sources } = readManifest(folder, "overfill.json");
  return definitions.OVERFILL_CUDA === "OFF" && sources === hashOfSources(mode, version, definitions);
}

/**
 * Configures the build tree of addon and native tests, which share the rooms' objects.
 *
 * @returns the tree, the configuration and the flags of cmake-js
 */
export function configureTree() {
  const missing = missingTools();
  if (missing !== undefined) fail(missing);
  const { cmakeJs, nodeAddonApi } = findBuildPackages();
  const configuration = readConfiguration();
  const { mode, definitions, treeName } = configuration;
  const tree = treeDirectory(`native-${treeName}`);

  // cmake-js configures only a tree without a cache, so a change of the definitions must be noticed here.
  const flags = Object.entries({
    ...definitions,
    ...runtimeLibrary(mode),
    OVERFILL_NODE_ADDON_API_DIR: nodeAddonApi,
  }).map(([key, value]) => `--CD${key}=${value}`);
  const record = join(tree, "overfill-configuration.txt");
  const text = `${flags.join("\n")}\n`;
  if (isTreeOfAnotherClone(tree)) rmSync(tree, { recursive: true });
  if (!existsSync(record) || readFileSync(record, "utf8") !== text) {
    runCmakeJs(cmakeJs, tree, "configure", ...flags);
    writeFileSync(record, text);
  }
  return { ...configuration, cmakeJs, tree, flags };
}

/** Builds the addon and puts it and its description into `output`. */
export function buildAddon(output = join(root, "build", "Release")) {
  const { mode, version, definitions, cmakeJs, tree, flags } = configureTree();
  const build = (target) =>
    runCmakeJs(cmakeJs, tree, "build", ...flags, "--parallel", String(jobs), "--target", target);
  build("overfill");

  mkdirSync(output, { recursive: true });
  place(join(tree, "Release", "overfill.node"), join(output, "overfill.node"));
  if (mode === "prebuilt") {
    build("overfill_ggml_rpc");
    place(join(tree, rpcLibrary()), join(output, rpcLibrary()));
  }
  if (definitions.OVERFILL_CUDA === "ON") {
    build("overfill_cuda");
    const library = process.platform === "win32" ? "overfill-cuda.dll" : "liboverfill-cuda.so";
    place(join(tree, library), join(output, library));
  }
  const description = { llama: mode, llamaVersion: version, sources: hashOfSources(mode, version, definitions) };
  writeFileSync(join(output, "overfill.json"), `${JSON.stringify(description)}\n`);
  return output;
}

if (isProgram(import.meta.url)) {
  const at = process.argv.indexOf("--output");
  const output = buildAddon(at === -1 ? undefined : resolve(process.argv[at + 1] ?? fail("--output needs a folder")));
  console.log(`overfill: built ${join(output, "overfill.node")}`);
}
