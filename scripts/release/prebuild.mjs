/**
 * Builds the addon of this platform for a release: prebuilds/<platform>/overfill.node, without symbols, and beside it
 * overfill.json. What build/Release holds is taken if it was built of the same sources. npm runs `prebuild` before
 * `build` too, so a run without changes must take no time and clear nothing (prebuildify, which does the same by way of
 * node-gyp, empties build/).
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { buildAddon, isCurrentAddon, rpcLibrary } from "../build/native.mjs";
import { fail, root } from "../build/package-root.mjs";
import { thisPlatform } from "./platforms.mjs";

const folder = join(root, "prebuilds", thisPlatform);
const built = join(root, "build", "Release");
if (isCurrentAddon(built)) {
  mkdirSync(folder, { recursive: true });
  const names = ["overfill.node", "overfill.json", rpcLibrary()].filter((name) => existsSync(join(built, name)));
  for (const name of names) copyFileSync(join(built, name), join(folder, name));
} else {
  buildAddon(folder);
}
if (process.platform !== "win32") {
  const flags = process.platform === "darwin" ? ["-Sx"] : ["--strip-all"];
  for (const file of [join(folder, "overfill.node"), join(folder, rpcLibrary())].filter(existsSync)) {
    const { status, stderr, error } = spawnSync("strip", [...flags, file], { encoding: "utf8" });
    if (status !== 0) fail(`strip ${flags} ${file} failed: ${stderr ?? error}`);
  }
}
console.log(`overfill: ${folder} holds the addon for ${thisPlatform}`);
