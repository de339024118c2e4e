/**
 * Publishes the tarballs of a release (`npm run pack:release`), what others ask for first, or refuses all of them.
 *
 *   node scripts/release/publish.mjs --packages <folder> [--tag v1.2.3] [--dry-run]
 *
 * What the registry has already is passed over, so that a release that was cut short is completed by the same command.
 * Run by .github/workflows/release.yml, which npm trusts for these packages; provenance comes with that.
 */

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { fail, readManifest, root } from "../build/package-root.mjs";
import { distTagOf, publishOrder, releaseProblems } from "./release-check.mjs";

function npm(args, options = {}) {
  const windows = process.platform === "win32";
  const result = spawnSync(windows ? "npm.cmd" : "npm", args, { encoding: "utf8", shell: windows, ...options });
  if (result.error) throw result.error;
  return result;
}

function manifestOf(tarball) {
  const result = spawnSync("tar", ["-xOzf", tarball, "package/package.json"], { encoding: "utf8" });
  if (result.status !== 0) fail(`${tarball} has no package.json: ${result.stderr ?? result.error}`);
  return { ...JSON.parse(result.stdout), tarball };
}

/** Whether the registry has it. Any other answer than "no such version" ends the program. */
function isPublished({ name, version }) {
  const { status, stdout, stderr } = npm(["view", `${name}@${version}`, "version", "--json"]);
  if (status === 0) return stdout.trim() !== "";
  if (/E404/.test(stdout + stderr)) return false;
  return fail(`npm does not tell whether ${name}@${version} is published:\n${stderr}`);
}

const { values } = parseArgs({
  options: { packages: { type: "string" }, tag: { type: "string" }, "dry-run": { type: "boolean", default: false } },
});
if (!values.packages) fail("name the folder of the tarballs: --packages build/release");
const folder = resolve(values.packages);
const manifests = readdirSync(folder)
  .filter((name) => name.endsWith(".tgz"))
  .map((name) => manifestOf(join(folder, name)));

const { version } = readManifest(root);
const changelog = readFileSync(join(root, "CHANGELOG.md"), "utf8");
const problems = releaseProblems({ tag: values.tag, version, changelog, manifests });
if (problems.length > 0) fail(`nothing is published:\n- ${problems.join("\n- ")}`);

for (const manifest of publishOrder(manifests)) {
  const what = `${manifest.name}@${manifest.version}`;
  if (!values["dry-run"] && isPublished(manifest)) {
    console.log(`${what} is published already`);
    continue;
  }
  const args = ["publish", manifest.tarball, "--access", "public", "--tag", distTagOf(version)];
  args.push(values["dry-run"] ? "--dry-run" : "--provenance");
  const { status } = npm(args, { stdio: "inherit" });
  if (status !== 0) fail(`${what} was not published; run the same command again to go on`);
}
