/**
 * npm's install script. A published package brings its addon in prebuilds/; without one for this platform, and in a
 * checkout, the addon is built here.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { buildAddon } from "./native.mjs";
import { fail, findPackage, readManifest, root } from "./package-root.mjs";

const platform = `${process.platform}-${process.arch}`;
const prebuilt = existsSync(join(root, "prebuilds", platform, "overfill.node"));

// Whoever names a mode wants a build of their own.
if (!prebuilt || process.env.OVERFILL_LLAMA) {
  // It depends on cmake-js and node-addon-api, so that it alone is enough.
  if (findPackage("node-llama-cpp") === undefined) {
    const version = readManifest(root).peerDependencies["node-llama-cpp"];
    fail(
      `this package has no addon for ${platform}, and what builds one is not installed.\n` +
        `Install it together with overfill: npm install overfill node-llama-cpp@${version}\n` +
        "It brings llama.cpp's source and cmake-js. CMake, a C++17 compiler and git are needed as well.",
    );
  }
  buildAddon();
}
