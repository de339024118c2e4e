/**
 * Packs the package as it is released, and uses it as strangers do: installed by several package managers, bundled,
 * from Electron's archives, with and without its platform package. publint and are-the-types-wrong look at it too.
 *
 *   node scripts/check/packed-install.mjs [part ...]    parts: installed, examples, types, bundlers, managers,
 *                                                      electron
 *
 * Needs dist/ (npm run build:ts) and the tools of the native build. Fetches packages and tools with npm.
 */
import { join } from "node:path";
import { packRelease } from "../release/pack.mjs";
import { checkBundlers } from "./package/bundlers.mjs";
import { checkElectron } from "./package/electron.mjs";
import { checkExamples } from "./package/examples.mjs";
import { checkInstalled } from "./package/installed.mjs";
import { checkManagers } from "./package/managers.mjs";
import { checkTypes } from "./package/types.mjs";
import { node, removeWork, root, step, work } from "./package/work.mjs";

const parts = process.argv.slice(2);
const wants = (part) => parts.length === 0 || parts.includes(part);

try {
  let tarballs;
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
