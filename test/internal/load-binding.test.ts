/** The loader in each layout of an install, and what it says when something is missing or of the wrong kind. */
import { mkdirSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";
import { platformName } from "../../lib/internal/platform.js";
import { ownVersion } from "../../lib/internal/versions.js";
import { withTempDir } from "../support/temp-dir.js";
import {
  addonPackage,
  flatLayout,
  type LoadOutcome,
  libraries,
  llama,
  llamaVersion,
  loadInChild,
  placeAddon,
  placeAddonPackage,
  placeLink,
  placeOtherVersion,
  placePackage,
  placePlatformPackage,
  platform,
  testPrebuilt,
} from "./layouts.js";

function loads(t: ExecutionContext, outcome: LoadOutcome, directory: string): void {
  t.is(outcome.code, undefined, outcome.message);
  t.deepEqual(outcome.versions, [llamaVersion, llamaVersion]);
  t.true(outcome.backends?.includes("CPU"));
  t.is(outcome.libraryDirectory, directory);
}

const bins = (folder: string) => join(folder, "bins", platform.folder);

testPrebuilt("loads from a flat node_modules", async (t) => {
  const { packageFolder, platformFolder } = flatLayout(t);
  const outcome = await loadInChild(packageFolder);
  loads(t, outcome, bins(platformFolder));
  t.is(outcome.addonPath, join(packageFolder, "prebuilds", platformName(), "overfill.node"));
});

testPrebuilt("prefers an addon that was built here to the one that came with the package", async (t) => {
  const { packageFolder } = flatLayout(t);
  placeAddon(packageFolder, "build");
  const outcome = await loadInChild(packageFolder);
  t.is(outcome.addonPath, join(packageFolder, "build", "Release", "overfill.node"));
});

testPrebuilt("loads from a platform package nested below the package", async (t) => {
  const { packageFolder, platformFolder } = flatLayout(t);
  const nested = join(packageFolder, "node_modules", platform.packageName);
  mkdirSync(join(nested, ".."), { recursive: true });
  renameSync(platformFolder, nested);
  loads(t, await loadInChild(packageFolder), bins(nested));
});

testPrebuilt("loads from pnpm's store of linked folders", async (t) => {
  const modules = join(withTempDir(t), "node_modules");
  const store = join(modules, ".pnpm");
  const own = join(store, "overfill@0.1.0", "node_modules", "overfill");
  const stored = join(store, "platform@3.22.1", "node_modules", platform.packageName);
  placePackage(own);
  placePlatformPackage(stored);
  placeLink(stored, join(own, "..", platform.packageName));
  placeLink(own, join(modules, "overfill"));
  loads(t, await loadInChild(join(modules, "overfill")), bins(stored));
});

testPrebuilt("loads a platform package that only node-llama-cpp can see", async (t) => {
  const { modules, packageFolder, platformFolder } = flatLayout(t);
  const nodeLlamaCpp = join(modules, "node-llama-cpp");
  const nested = join(nodeLlamaCpp, "node_modules", platform.packageName);
  mkdirSync(join(nested, ".."), { recursive: true });
  writeFileSync(join(nodeLlamaCpp, "package.json"), '{ "name": "node-llama-cpp" }');
  renameSync(platformFolder, nested);
  loads(t, await loadInChild(packageFolder), bins(nested));
});

testPrebuilt("passes over a nearer platform package of another version", async (t) => {
  const { packageFolder, platformFolder } = flatLayout(t);
  placeOtherVersion(join(packageFolder, "node_modules", platform.packageName), "0.9.9");
  loads(t, await loadInChild(packageFolder), bins(platformFolder));
});

testPrebuilt("loads beside an app.asar what was unpacked from it", async (t) => {
  const folder = withTempDir(t);
  const [packed, unpacked] = ["app.asar", "app.asar.unpacked"].map((name) => join(folder, name, "node_modules"));
  placePackage(join(packed ?? "", "overfill"), "none");
  placeAddon(join(unpacked ?? "", "overfill"), "prebuilds");
  const platformFolder = join(unpacked ?? "", platform.packageName);
  placePlatformPackage(join(packed ?? "", platform.packageName), platformFolder);
  const outcome = await loadInChild(join(packed ?? "", "overfill"));
  loads(t, outcome, bins(platformFolder));
  t.is(outcome.addonPath, join(unpacked ?? "", "overfill", "prebuilds", platformName(), "overfill.node"));
});

testPrebuilt("OVERFILL_LLAMA_DIR names the libraries' folder in place of a package", async (t) => {
  const { packageFolder, platformFolder } = flatLayout(t);
  rmSync(platformFolder, { recursive: true });
  loads(t, await loadInChild(packageFolder, { env: { OVERFILL_LLAMA_DIR: libraries } }), libraries);
});

testPrebuilt("without the platform package: says which to install", async (t) => {
  const { packageFolder, platformFolder } = flatLayout(t);
  rmSync(platformFolder, { recursive: true });
  const outcome = await loadInChild(packageFolder);
  t.is(outcome.code, "ERR_PLATFORM_PACKAGE_MISSING", outcome.message);
  t.true(outcome.message?.includes(`npm install ${platform.packageName}@3.22.1`), outcome.message);
  t.is(outcome.details?.packageName, platform.packageName);
});

testPrebuilt("with a platform package that lacks a library: names the file", async (t) => {
  const { packageFolder, platformFolder } = flatLayout(t);
  rmSync(join(bins(platformFolder), llama));
  const outcome = await loadInChild(packageFolder);
  t.is(outcome.code, "ERR_PLATFORM_PACKAGE_MISSING", outcome.message);
  t.true(outcome.message?.includes(llama), outcome.message);
});

testPrebuilt("with another llama.cpp: names both versions and what to install", async (t) => {
  const { packageFolder, platformFolder } = flatLayout(t);
  rmSync(platformFolder, { recursive: true });
  placeOtherVersion(platformFolder, "0.9.9");
  const outcome = await loadInChild(packageFolder);
  t.is(outcome.code, "ERR_LLAMA_VERSION_MISMATCH", outcome.message);
  t.like(outcome.details, { expected: llamaVersion, actual: "0.9.9" });
  for (const word of [llamaVersion, "0.9.9", `npm install ${platform.packageName}@3.22.1`])
    t.true(outcome.message?.includes(word), outcome.message);
});

testPrebuilt("with another llama.cpp that has no metadata: reads the version in a library's name", async (t) => {
  const { packageFolder, platformFolder } = flatLayout(t);
  rmSync(platformFolder, { recursive: true });
  placeOtherVersion(platformFolder, "0.9.9");
  rmSync(join(bins(platformFolder), "_nlcBuildMetadata.json"));
  t.like((await loadInChild(packageFolder)).details, { expected: llamaVersion, actual: "0.9.9" });
});

testPrebuilt(
  "loads the addon of the platform's own package, and prefers it to one packed with the package",
  async (t) => {
    const { modules, packageFolder, platformFolder } = flatLayout(t);
    placeAddonPackage(join(modules, addonPackage));
    const outcome = await loadInChild(packageFolder);
    loads(t, outcome, bins(platformFolder));
    t.is(outcome.addonPath, join(modules, addonPackage, "overfill.node"));
  },
);

testPrebuilt("in pnpm's store: finds the libraries from the addon's package, which alone can see them", async (t) => {
  const modules = join(realpathSync(withTempDir(t)), "node_modules");
  const store = (name: string) => join(modules, ".pnpm", name, "node_modules");
  const [own, addon, libraries] = [
    join(store("overfill"), "overfill"),
    join(store("addon"), addonPackage),
    join(store("libraries"), platform.packageName),
  ] as const;
  placePackage(own, "none");
  placeAddonPackage(addon);
  placePlatformPackage(libraries);
  placeLink(libraries, join(store("addon"), platform.packageName));
  placeLink(addon, join(store("overfill"), addonPackage));
  placeLink(own, join(modules, "overfill"));
  const outcome = await loadInChild(join(modules, "overfill"));
  loads(t, outcome, bins(libraries));
  t.is(outcome.addonPath, join(addon, "overfill.node"));
});

testPrebuilt(
  "without an addon: names the package, with the command of npm and of pnpm, and how to build it",
  async (t) => {
    const { packageFolder } = flatLayout(t, "none");
    const outcome = await loadInChild(packageFolder);
    t.is(outcome.code, "ERR_BINDING_MISSING", outcome.message);
    const wanted = `${addonPackage}@${ownVersion}`;
    for (const words of [`npm install ${wanted}`, `pnpm add ${wanted}`, "npm ci && npm pack"])
      t.true(outcome.message?.includes(words), outcome.message);
  },
);

testPrebuilt("with the addon of another version: names both versions and what to install", async (t) => {
  const { modules, packageFolder } = flatLayout(t, "none");
  placeAddonPackage(join(modules, addonPackage), "0.0.1");
  const outcome = await loadInChild(packageFolder);
  t.is(outcome.code, "ERR_BINDING_MISSING", outcome.message);
  t.like(outcome.details, { expected: ownVersion, actual: "0.0.1" });
  t.true(outcome.message?.includes(`npm install ${addonPackage}@${ownVersion}`), outcome.message);
});

testPrebuilt("passes over a nearer addon of another version", async (t) => {
  const { modules, packageFolder } = flatLayout(t, "none");
  placeAddonPackage(join(packageFolder, "node_modules", addonPackage), "0.0.1");
  placeAddonPackage(join(modules, addonPackage));
  t.is((await loadInChild(packageFolder)).addonPath, join(modules, addonPackage, "overfill.node"));
});

testPrebuilt("in a clone that was not built: says how to build it", async (t) => {
  const { packageFolder } = flatLayout(t, "none");
  writeFileSync(join(packageFolder, "binding.gyp"), "{}");
  const outcome = await loadInChild(packageFolder);
  t.is(outcome.code, "ERR_BINDING_MISSING", outcome.message);
  t.true(outcome.message?.includes("npm run build:native"), outcome.message);
});

testPrebuilt("in Electron, from an archive that has left nothing unpacked: says what to unpack", async (t) => {
  const packed = join(withTempDir(t), "app.asar", "node_modules");
  placePackage(join(packed, "overfill"));
  placePlatformPackage(join(packed, platform.packageName));
  const outcome = await loadInChild(join(packed, "overfill"), {
    before: 'Object.defineProperty(process, "versions", { value: { ...process.versions, electron: "40.0.0" } });',
  });
  t.is(outcome.code, "ERR_BINDING_LOAD_FAILED", outcome.message);
  t.true(outcome.message?.includes("asarUnpack"), outcome.message);
});

testPrebuilt("with an addon that is no library: passes on what the system says", async (t) => {
  const { packageFolder } = flatLayout(t, "none");
  const addon = join(packageFolder, "build", "Release", "overfill.node");
  mkdirSync(join(addon, ".."), { recursive: true });
  writeFileSync(addon, "not a library");
  const outcome = await loadInChild(packageFolder);
  t.is(outcome.code, "ERR_BINDING_LOAD_FAILED", outcome.message);
  t.is(outcome.details?.path, addon);
});

testPrebuilt("with a library that cannot be mapped: names it", async (t) => {
  const { packageFolder, platformFolder } = flatLayout(t);
  const file = join(bins(platformFolder), llama);
  rmSync(file);
  writeFileSync(file, "not a library");
  const outcome = await loadInChild(packageFolder);
  t.is(outcome.code, "ERR_BINDING_LOAD_FAILED", outcome.message);
  t.true(outcome.message?.includes(llama), outcome.message);
});

testPrebuilt("on a platform without libraries: says how to build llama.cpp too", async (t) => {
  const { packageFolder } = flatLayout(t);
  const outcome = await loadInChild(packageFolder, {
    before: 'Object.defineProperty(process, "platform", { value: "aix" });',
  });
  t.is(outcome.code, "ERR_PLATFORM_UNSUPPORTED", outcome.message);
  t.true(outcome.message?.includes("OVERFILL_LLAMA=source"), outcome.message);
});

testPrebuilt("a failed load can be tried again", async (t) => {
  const { folder, packageFolder, platformFolder } = flatLayout(t);
  const aside = join(folder, "aside");
  renameSync(platformFolder, aside);
  const outcome = await loadInChild(packageFolder, {
    before: `
      const { renameSync } = await import("node:fs");
      const { loadBinding } = await import(loader);
      try { loadBinding(); } catch (error) { extra.first = error.code; }
      renameSync(${JSON.stringify(aside)}, ${JSON.stringify(platformFolder)});`,
  });
  t.is(outcome.extra.first, "ERR_PLATFORM_PACKAGE_MISSING");
  loads(t, outcome, bins(platformFolder));
});

testPrebuilt("importing the package loads no library", async (t) => {
  const outcome = await loadInChild(fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, ""), {
    before: `
      await import(new URL("../index.js", loader));
      extra.mapped = process.report.getReport().sharedObjects.filter((path) => /ggml|llama|overfill\\.node/.test(path));`,
  });
  t.is(outcome.code, undefined, outcome.message);
  t.deepEqual(outcome.extra.mapped, []);
});
