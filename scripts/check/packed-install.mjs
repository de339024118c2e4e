/**
 * Packs the package as it is released, and uses it as strangers do: installed by several package managers, bundled,
 * from Electron's archives, with and without its platform package. publint and are-the-types-wrong look at it too.
 *
 *   node scripts/check/packed-install.mjs [part ...] [--packages FOLDER]
 *
 * The parts: installed, examples, types, bundlers, managers, electron. Needs dist/ (npm run build:ts) and the tools of the
 * native build, unless there is a folder of tarballs that `npm run pack:release` has made: then those are checked, as the release
 * does on each system. Fetches packages and tools with npm.
 */
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { fail } from "../build/package-root.mjs";
import { packRelease } from "../release/pack.mjs";
import { platforms, thisPlatform } from "../release/platforms.mjs";
import { checkBundlers } from "./package/bundlers.mjs";
import { checkElectron } from "./package/electron.mjs";
import { checkExamples } from "./package/examples.mjs";
import { checkInstalled } from "./package/installed.mjs";
import { checkManagers } from "./package/managers.mjs";
import { checkTypes } from "./package/types.mjs";
import { node, removeWork, root, step, work } from "./package/work.mjs";

const { values, positionals: parts } = parseArgs({
  allowPositionals: true,
  options: { packages: { type: "string" } },
});

/** The tarballs of the package, of this platform, and of `npm create overfill`. */
function packedIn(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
  const find = (pattern) => {
    const name = names.find((one) => pattern.test(one));
    return name ? join(folder, name) : fail(`${folder} has no ${pattern.source}`);
  };
  const ownName = platforms[thisPlatform].packageName.replace("@", "").replace("/", "-");
  return {
    main: find(/^overfill-\d.*\.tgz$/),
    create: find(/^create-overfill-\d.*\.tgz$/),
    platforms: { [thisPlatform]: find(new RegExp(`^${ownName}-\\d.*\\.tgz$`)) },
  };
}

const wants = (part) => parts.length === 0 || parts.includes(part);

try {
  let tarballs;
  if (values.packages) tarballs = packedIn(resolve(values.packages));
  else
    await step("packs the package and this platform's", () => {
      node([join(root, "scripts", "release", "prebuild.mjs")]);
      tarballs = packRelease({ output: join(work, "release") });
    });
  const project = await checkInstalled(tarballs, wants("installed"));
  if (wants("examples")) await checkExamples(tarballs, project);
  if (wants("types")) await checkTypes(tarballs);
  if (wants("bundlers")) await checkBundlers(project);
  if (wants("managers")) await checkManagers(tarballs, project);
  if (wants("electron")) await checkElectron(tarballs, project);
} finally {
  removeWork();
}
