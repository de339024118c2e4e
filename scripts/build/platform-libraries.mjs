/** The folder of the platform package's shared libraries, which the default build links. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fail, findPackage, readManifest, root } from "./package-root.mjs";

const platforms = {
  "linux-x64": "linux-x64",
  "linux-arm64": "linux-arm64",
  "darwin-arm64": "mac-arm64-metal",
  "darwin-x64": "mac-x64",
  "win32-x64": "win-x64",
  "win32-arm64": "win-arm64",
};

/** Ends the program if the package is missing or if llama.cpp has no libraries for this platform. */
export function findPlatformLibraries() {
  if (process.env.OVERFILL_LLAMA_DIR) return process.env.OVERFILL_LLAMA_DIR;
  const platform = `${process.platform}-${process.arch}`;
  const folder = platforms[platform];
  if (folder === undefined)
    fail(
      `there are no prebuilt llama.cpp libraries for ${platform}.\nBuild llama.cpp too, with OVERFILL_LLAMA=source in the environment`,
    );

  const name = `@node-llama-cpp/${folder}`;
  const nodeLlamaCpp = findPackage("node-llama-cpp");
  const found = findPackage(name) ?? (nodeLlamaCpp === undefined ? undefined : findPackage(name, nodeLlamaCpp));
  const libraries = found === undefined ? undefined : join(found, "bins", folder);
  if (libraries === undefined || !existsSync(libraries)) {
    const version = readManifest(root).optionalDependencies[name];
    fail(
      `${name} with llama.cpp's libraries is not installed.\n` +
        `Install it: npm install --no-save ${name}@${version}\n` +
        "or build llama.cpp too, with OVERFILL_LLAMA=source in the environment",
    );
  }
  return libraries;
}
