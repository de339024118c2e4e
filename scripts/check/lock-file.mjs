/**
 * Checks package-lock.json, or completes it with --write.
 *
 * A registry mirror need not carry the packages of other platforms. npm then leaves them out of the lock file, and
 * `npm ci` refuses such a file on every machine ("Missing: ... from lock file"). So each optional dependency that is
 * named by a locked package must have an entry of its own; one that npm could not see gets the name's platform and no
 * integrity hash. Addresses of registries have no place in the file either: they differ from machine to machine.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const path = fileURLToPath(new URL("../../package-lock.json", import.meta.url));
const write = process.argv.includes("--write");

/** Words in a package's name and what they say in a lock file's entry. */
const operatingSystems = {
  android: "android",
  darwin: "darwin",
  linux: "linux",
  mac: "darwin",
  win: "win32",
  win32: "win32",
};
const libraries = { musl: "musl" };

/** The packages that `entry` at `location` would resolve `name` to, nearest first. */
function candidates(location, name) {
  const found = [];
  for (let folder = location; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("node_modules/") - 1))) {
    found.push(`${folder === "" ? "" : `${folder}/`}node_modules/${name}`);
    if (folder === "") return found;
  }
}

/** An entry for a platform's package that the registry at hand does not carry. */
function platformEntry(name, version) {
  const words = name.slice(name.indexOf("/") + 1).split("-");
  const os = words.map((word) => operatingSystems[word]).find(Boolean);
  if (os === undefined || !/^\d+\.\d+\.\d+$/.test(version))
    throw new Error(`package-lock.json lacks the optional dependency ${name}@${version}, which names no platform`);
  const cpu = words.includes("arm64") ? "arm64" : "x64";
  const libc = words.map((word) => libraries[word]).find(Boolean);
  return { version, cpu: [cpu], dev: true, ...(libc === undefined ? {} : { libc: [libc] }), optional: true, os: [os] };
}

const lock = JSON.parse(readFileSync(path, "utf8"));
const own = lock.packages[""].optionalDependencies ?? {};
const problems = [];
const additions = {};

for (const [location, entry] of Object.entries(lock.packages)) {
  if (entry.resolved !== undefined) {
    problems.push(`${location} names the address it came from: ${entry.resolved}`);
    delete entry.resolved;
  }
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (candidates(location, name).some((place) => place in lock.packages || place in additions)) continue;
    problems.push(`${name}@${version} is missing`);
    const addition = platformEntry(name, version);
    // Only what the package itself asks for reaches its users; the rest serves the development tools.
    if (name in own) delete addition.dev;
    additions[`node_modules/${name}`] = addition;
  }
}

if (problems.length === 0) {
  console.log("package-lock.json is complete and names no registry");
} else if (write) {
  const entries = Object.entries({ ...lock.packages, ...additions });
  lock.packages = Object.fromEntries(entries.sort(([a], [b]) => a.localeCompare(b, "en")));
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`package-lock.json: ${problems.length} entries repaired`);
} else {
  console.error(problems.join("\n"));
  console.error("package-lock.json: run `node scripts/check/lock-file.mjs --write`");
  process.exitCode = 1;
}
