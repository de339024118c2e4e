/** Where this package is, and where the packages it builds with are: found as Node finds them, in any layout. */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = realpathSync(fileURLToPath(new URL("../..", import.meta.url)));

/**
 * The folder of an installed package, or undefined. It is looked up in the folders that Node would search and not
 * through `require.resolve`, because many packages do not export their package.json.
 */
export function findPackage(name, from = root) {
  for (const folder of createRequire(join(from, "package.json")).resolve.paths(name) ?? []) {
    const candidate = join(folder, name);
    if (existsSync(join(candidate, "package.json"))) return realpathSync(candidate);
  }
  return undefined;
}

/** What the package.json in `folder` says, or another file of JSON there. */
export function readManifest(folder, file = "package.json") {
  return JSON.parse(readFileSync(join(folder, file), "utf8"));
}

/** Ends the program with a message for people, not with a stack. */
export function fail(message) {
  console.error(`\noverfill: ${message}\n`);
  process.exit(1);
}

/** True if the module at `url` is the program that was started, not one that was imported. */
export function isProgram(url) {
  const started = process.argv[1];
  return started !== undefined && existsSync(started) && realpathSync(started) === realpathSync(fileURLToPath(url));
}
