/**
 * Takes in another version of llama.cpp: of node-llama-cpp, whose package has the source and whose platform packages have
 * the libraries (docs/upgrading.md).
 *
 *   node scripts/release/take-llama.mjs [VERSION]    the newest one by default
 *
 * Changes package.json and lib/internal/versions.ts, and prints `VERSION` or, where it is the one that is taken in
 * already, nothing. Then: npm install, node scripts/check/lock-file.mjs --write, npm test. The version of llama.cpp
 * itself (prebuiltLlamaVersion) is for a person to set: the build says what it found.
 */

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail, isProgram, readManifest, root } from "../build/package-root.mjs";

/** The text of package.json with all that belongs together in this version. */
export function manifestWith(text, version) {
  const manifest = JSON.parse(text);
  const sections = ["dependencies", "optionalDependencies", "devDependencies"];
  for (const section of sections)
    for (const name of Object.keys(manifest[section] ?? {}))
      if (name === "node-llama-cpp" || name.startsWith("@node-llama-cpp/")) manifest[section][name] = version;
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}

/** The text of versions.ts with it. */
export function constantsWith(text, version) {
  const pattern = /(export const llamaPackagesVersion = ")[^"]+(")/;
  if (!pattern.test(text)) throw new Error("versions.ts has no llamaPackagesVersion");
  return text.replace(pattern, `$1${version}$2`);
}

function newest() {
  const windows = process.platform === "win32";
  const args = ["view", "node-llama-cpp", "dist-tags.latest", "--json"];
  const { status, stdout, stderr } = spawnSync(windows ? "npm.cmd" : "npm", args, { encoding: "utf8", shell: windows });
  if (status !== 0) fail(`npm does not tell the newest version of node-llama-cpp:\n${stderr}`);
  return JSON.parse(stdout);
}

if (isProgram(import.meta.url)) {
  const version = process.argv[2] ?? newest();
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) fail(`${version} is no version`);
  if (readManifest(root).devDependencies["node-llama-cpp"] !== version) {
    const change = (path, edit) => writeFileSync(path, edit(readFileSync(path, "utf8"), version));
    change(join(root, "package.json"), manifestWith);
    change(join(root, "lib", "internal", "versions.ts"), constantsWith);
    console.log(version);
  }
}
