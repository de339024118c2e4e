/**
 * llama.cpp's source in build/llama.cpp: the headers for the default build, all of it for OVERFILL_LLAMA=source, and its
 * vocabulary files for the tests.
 *
 * node-llama-cpp carries the source of the very version that its platform packages were built from, as a git bundle. It
 * is cloned once per version: into a folder beside, which takes its place by a rename, so that an interrupted run
 * leaves nothing half done.
 */
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fail, findPackage, isProgram, readManifest, root } from "./package-root.mjs";

const directory = join(root, "build", "llama.cpp");
/** Names the version that the folder holds; inside .git, so that the source stays as it was. */
const stamp = join(directory, ".git", "overfill-source");

/** The git bundle and the tag of the llama.cpp in it. */
function findBundle() {
  const version = readManifest(root).devDependencies["node-llama-cpp"];
  const nodeLlamaCpp = findPackage("node-llama-cpp");
  if (nodeLlamaCpp === undefined)
    fail(
      `llama.cpp's source comes with node-llama-cpp, which is not installed.\nInstall it: npm install --save-dev node-llama-cpp@${version}`,
    );
  const found = readManifest(nodeLlamaCpp).version;
  if (found !== version)
    fail(`this build needs node-llama-cpp ${version}, but ${found} is installed in ${nodeLlamaCpp}`);
  const release = JSON.parse(readFileSync(join(nodeLlamaCpp, "llama", "binariesGithubRelease.json"), "utf8")).release;
  return { bundle: join(nodeLlamaCpp, "llama", "gitRelease.bundle"), tag: release, packageVersion: version };
}

function clone(bundle, target) {
  // Inside a git hook these would point git at the wrong repository.
  const { GIT_DIR: _dir, GIT_WORK_TREE: _tree, GIT_INDEX_FILE: _index, ...environment } = process.env;
  const result = spawnSync("git", ["-c", "core.autocrlf=false", "clone", "--quiet", bundle, target], {
    env: environment,
    encoding: "utf8",
  });
  if (result.error?.code === "ENOENT") fail("git is needed to unpack llama.cpp's source, and was not found");
  if (result.status !== 0) fail(`git could not unpack ${bundle}:\n${result.stderr ?? result.error}`);
}

/**
 * Sees to it that build/llama.cpp holds the source that belongs to the platform packages.
 *
 * @returns its folder and version, such as "0.5.0"
 */
export function extractLlamaSource() {
  const { bundle, tag, packageVersion } = findBundle();
  const wanted = `${tag} from node-llama-cpp ${packageVersion}\n`;
  const version = tag.replace(/^v/, "");
  // A link is somebody else's folder: it is replaced, never written through.
  const linked = lstatSync(directory, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  if (!linked && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return { directory, version };

  console.log(`overfill: unpacking llama.cpp ${tag}`);
  mkdirSync(dirname(directory), { recursive: true });
  const fresh = `${directory}.${process.pid}`;
  rmSync(fresh, { recursive: true, force: true });
  clone(bundle, fresh);
  writeFileSync(join(fresh, ".git", "overfill-source"), wanted);
  rmSync(directory, { recursive: true, force: true });
  renameSync(fresh, directory);
  return { directory, version };
}

if (isProgram(import.meta.url)) {
  const { directory: folder, version } = extractLlamaSource();
  console.log(`llama.cpp ${version} is in ${folder}`);
}
