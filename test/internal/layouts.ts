/**
 * Installs of the built package in the layouts that package managers and Electron make, and a child process that loads
 * the addon in one of them.
 */
import { execFile } from "node:child_process";
import {
  cpSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import test, { type ExecutionContext } from "ava";
import { findLlamaLibraries } from "../../lib/internal/llama-libraries.js";
import {
  addonPackageName,
  libraryFiles,
  platformName,
  type SupportedPlatform,
  supportedPlatform,
} from "../../lib/internal/platform.js";
import { ownVersion } from "../../lib/internal/versions.js";
import { withTempDir } from "../support/temp-dir.js";

export const llamaVersion = "0.5.0";
const root = fileURLToPath(new URL("../..", import.meta.url));

/** The platform of this machine; the tests of the layouts cannot run without one. */
export const platform: SupportedPlatform = (() => {
  const found = supportedPlatform(platformName());
  if (found === undefined) throw new Error(`the loader's tests need a platform with a package, not ${platformName()}`);
  return found;
})();

/** The folder of the installed libraries. */
export const libraries = findLlamaLibraries(platform, llamaVersion).directory;
/** File names: ggml-base, ggml, llama. */
export const [ggmlBase = "", ggml = "", llama = ""] = libraryFiles(platform, llamaVersion);

/** Whether the addon of this checkout is linked to the platform package's libraries. */
const isPrebuilt = (() => {
  const description = readFileSync(join(root, "build", "Release", "overfill.json"), "utf8");
  return (JSON.parse(description) as { readonly llama: string }).llama === "prebuilt";
})();

/** For tests that need such an addon, and perhaps something else: where it is lacking, the test reports a skip. */
export const testPrebuiltIf = (condition: boolean) => (isPrebuilt && condition ? test : test.skip);
export const testPrebuilt = testPrebuiltIf(true);

/** Where the addon of a layout lies. */
export type AddonPlace = "prebuilds" | "build" | "none";

/** Hard links where possible: a layout with copies would hold 30 MB. */
function placeFile(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  try {
    linkSync(realpathSync(from), to);
  } catch {
    cpSync(from, to, { dereference: true });
  }
}

/** Puts this package into `folder`: what is published, with the addon of this checkout. */
export function placePackage(folder: string, addon: AddonPlace = "prebuilds"): void {
  mkdirSync(folder, { recursive: true });
  cpSync(join(root, "package.json"), join(folder, "package.json"));
  cpSync(join(root, "dist"), join(folder, "dist"), { recursive: true });
  if (addon !== "none") placeAddon(folder, addon);
}

export function placeAddon(folder: string, addon: Exclude<AddonPlace, "none">): void {
  const built = join(root, "build", "Release", "overfill.node");
  const target = addon === "build" ? join(folder, "build", "Release") : join(folder, "prebuilds", platformName());
  placeFile(built, join(target, "overfill.node"));
  if (addon === "build") placeFile(built.replace(/node$/, "json"), join(target, "overfill.json"));
}

/** Puts the platform package into `folder`; the libraries may lie elsewhere, as in an unpacked archive. */
export function placePlatformPackage(folder: string, librariesRoot = folder): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: platform.packageName, version: "3.22.1" }));
  const bins = join(librariesRoot, "bins", platform.folder);
  for (const name of readdirSync(libraries)) placeFile(join(libraries, name), join(bins, name));
}

/** A platform package of another llama.cpp: names and metadata, with nothing in the files. */
export function placeOtherVersion(folder: string, version: string): void {
  const bins = join(folder, "bins", platform.folder);
  mkdirSync(bins, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: platform.packageName, version: "9.9.9" }));
  for (const name of libraryFiles(platform, version)) writeFileSync(join(bins, name), "");
  const metadata = { buildOptions: { llamaCpp: { repo: "ggml-org/llama.cpp", release: `v${version}` } } };
  writeFileSync(join(bins, "_nlcBuildMetadata.json"), JSON.stringify(metadata));
}

/** The name of this platform's package with the addon. */
export const addonPackage = addonPackageName(platformName()) ?? "";

/** Puts this platform's package with the addon into `folder`. */
export function placeAddonPackage(folder: string, version: string = ownVersion): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: addonPackage, version }));
  placeFile(join(root, "build", "Release", "overfill.node"), join(folder, "overfill.node"));
}

/** A folder link as a package manager makes it. */
export function placeLink(target: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path, "junction");
}

/** The flat layout of npm. */
export function flatLayout(t: Pick<ExecutionContext, "teardown">, addon: AddonPlace = "prebuilds") {
  const folder = realpathSync(withTempDir(t));
  const modules = join(folder, "node_modules");
  const packageFolder = join(modules, "overfill");
  const platformFolder = join(modules, platform.packageName);
  placePackage(packageFolder, addon);
  placePlatformPackage(platformFolder);
  return { folder, modules, packageFolder, platformFolder };
}

/** What a child that loaded the addon tells. */
export interface LoadOutcome {
  readonly code?: string;
  readonly message?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly addonPath?: string;
  readonly libraryDirectory?: string;
  readonly versions?: readonly [string, string];
  readonly backends?: readonly string[];
  /** Values that the program given to the child has put into `extra`. */
  readonly extra: Readonly<Record<string, unknown>>;
}

const child = fileURLToPath(new URL("load-child.mjs", import.meta.url));

/** The loader of the package in `packageFolder`, as a URL. */
export function loaderOf(packageFolder: string): string {
  return pathToFileURL(join(packageFolder, "dist", "internal", "library.js")).href;
}

/**
 * Loads the addon of a package in a process of its own.
 *
 * @param options.before statements to run before, which may use `await`, `extra` and `loader`
 * @param options.after the same, after the load
 */
export function loadInChild(
  packageFolder: string,
  options: { readonly before?: string; readonly after?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<LoadOutcome> {
  const { before = "", after = "", env = {} } = options;
  const { OVERFILL_LLAMA_DIR: _named, NODE_OPTIONS: _options, ...inherited } = process.env;
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [child, loaderOf(packageFolder), before, after],
      { cwd: dirname(packageFolder), env: { ...inherited, ...env } },
      (error, stdout, stderr) => {
        const line = stdout.trimEnd().split("\n").at(-1) ?? "";
        if (error === null && line.startsWith("{")) resolve(JSON.parse(line) as LoadOutcome);
        else reject(new Error(`the child ended with ${error?.code ?? error?.signal}\n${stdout}\n${stderr}`));
      },
    );
  });
}

/** A statement that brings a library into the process as another package would. */
export function dlopenStatement(path: string): string {
  const noDelete = process.platform === "darwin" ? 0x80 : 0x1000;
  return `try { process.dlopen({ exports: {} }, ${JSON.stringify(path)}, 2 | ${noDelete}); } catch (error) { extra.${basename(
    path,
  ).replace(/\W/g, "_")} = error.message; }`;
}
