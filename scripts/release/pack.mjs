/**
 * Packs a release: the package itself, which has no native code, no install script and no dependency but the platform
 * packages; one platform package for each addon in prebuilds/ (`npm run prebuild` makes this platform's); and the package
 * that `npm create overfill` runs.
 *
 *   node scripts/release/pack.mjs [--output <folder>] [--require <platforms with commas>]
 *
 * A platform without an addon is left out of the package's dependencies, so that installing there fails no host; one
 * that is required ends the program. Needs dist/ (npm run build:ts). Prints the tarballs' paths.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { rpcLibrary } from "../build/native.mjs";
import { fail, isProgram, readManifest, root } from "../build/package-root.mjs";
import { isAmong, withPackedLinks } from "./packed-links.mjs";
import { platforms } from "./platforms.mjs";

/** What of package.json is for a clone only. */
const cloneFields = ["scripts", "devDependencies", "overrides", "allowScripts", "config", "ava", "binary", "gypfile"];

const own = readManifest(root);
const { version, license, author, homepage, repository, bugs, engines } = own;

const addonOf = (platform) => join(root, "prebuilds", platform, "overfill.node");

/** The package.json of the package itself. */
function mainManifest(built) {
  const manifest = Object.fromEntries(Object.entries(own).filter(([field]) => !cloneFields.includes(field)));
  return {
    ...manifest,
    // Native code reads the models: Yarn Plug'n'Play leaves this package unzipped.
    preferUnplugged: true,
    files: own.files.filter((entry) => entry !== "prebuilds"),
    optionalDependencies: Object.fromEntries(built.map((platform) => [platforms[platform].packageName, version])),
  };
}

/** The package.json of a platform package. It alone asks for llama.cpp's libraries, so a host gets only its own. */
function platformManifest(platform) {
  const { packageName, libraries, libc } = platforms[platform];
  const [os, cpu] = platform.split("-");
  const libraryVersion = own.optionalDependencies[libraries];
  return {
    name: packageName,
    version,
    description: `The native addon of overfill for ${packageName.slice(packageName.indexOf("/") + 1)}.`,
    homepage,
    bugs,
    repository,
    license,
    author,
    engines,
    os: [os],
    cpu: [cpu],
    // An addon with llama.cpp linked in fits the C library that it was built with.
    libc: libc && !isFromSource(platform) ? [libc] : undefined,
    files: ["overfill.node", "overfill.json", rpcLibrary(os)],
    preferUnplugged: true,
    // An addon with llama.cpp linked in needs no libraries.
    dependencies: isFromSource(platform) ? undefined : { [libraries]: libraryVersion },
  };
}

function isFromSource(platform) {
  const description = join(root, "prebuilds", platform, "overfill.json");
  return existsSync(description) && readManifest(join(description, ".."), "overfill.json").llama === "source";
}

/** What npm tells of a package that it packs: its file's name, and the names of its files. */
function askNpm(folder, options) {
  const windows = process.platform === "win32";
  const args = ["pack", "--ignore-scripts", "--json", ...options];
  const result = spawnSync(windows ? "npm.cmd" : "npm", args, { cwd: folder, encoding: "utf8", shell: windows });
  if (result.status !== 0) fail(`npm pack failed in ${folder}:\n${result.stderr ?? result.error}`);
  // A list by npm 10 and 11, an object by name later.
  const [packed] = Object.values(JSON.parse(result.stdout));
  return packed;
}

const npmPack = (folder, output) => join(output, askNpm(folder, ["--pack-destination", output]).filename);

/** Has every link of the pages that are packed lead to a file beside it, or else to this version's in the repository. */
function mendLinks(folder) {
  const files = askNpm(folder, ["--dry-run"]).files.map(({ path }) => path);
  const isPacked = isAmong(files);
  const source = homepage.replace(/#.*/, "");
  for (const page of files.filter((file) => file.endsWith(".md"))) {
    const path = join(folder, page);
    writeFileSync(
      path,
      withPackedLinks(readFileSync(path, "utf8"), { page, isPacked, source, revision: `v${version}` }),
    );
  }
}

/** `npm create overfill`, in the version of the package that it asks for. */
function packCreate(folder, output) {
  cpSync(join(root, "create"), folder, { recursive: true });
  copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
  const manifest = readManifest(folder);
  writeManifest(folder, { ...manifest, version, dependencies: { overfill: version } });
  return npmPack(folder, output);
}

function writeManifest(folder, manifest) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

/**
 * @returns the tarballs' paths: `main`, `create`, and `platforms` by Node's name
 */
export function packRelease({ output = join(root, "build", "release"), required = [] } = {}) {
  if (!existsSync(join(root, "dist", "index.js"))) fail("dist/ is missing: run `npm run build:ts`");
  const built = Object.keys(platforms).filter((platform) => existsSync(addonOf(platform)));
  for (const platform of required)
    if (!built.includes(platform)) fail(`there is no addon for ${platform}: ${addonOf(platform)} is missing`);

  const staging = join(output, "staging");
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output, { recursive: true });
  const tarballs = { main: "", create: "", platforms: {} };

  const main = join(staging, "overfill");
  writeManifest(main, mainManifest(built));
  for (const name of ["dist", "docs", "examples", "models", "README.md", "LICENSE"])
    cpSync(join(root, name), join(main, name), { recursive: true });
  mendLinks(main);
  tarballs.main = npmPack(main, output);
  tarballs.create = packCreate(join(staging, "create"), output);

  for (const platform of built) {
    const folder = join(staging, platform);
    const { name } = platformManifest(platform);
    writeManifest(folder, platformManifest(platform));
    const addon = addonOf(platform);
    copyFileSync(addon, join(folder, "overfill.node"));
    const description = addon.replace(/node$/, "json");
    if (existsSync(description)) copyFileSync(description, join(folder, "overfill.json"));
    // ggml's RPC back end, which an addon with llama.cpp linked in has in itself.
    const [os] = platform.split("-");
    const remote = join(addon, "..", rpcLibrary(os));
    if (existsSync(remote)) copyFileSync(remote, join(folder, rpcLibrary(os)));
    else if (!isFromSource(platform)) fail(`${remote} is missing beside ${addon}`);
    copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
    writeFileSync(
      join(folder, "README.md"),
      `# ${name}\n\nThe native addon of [overfill](${own.homepage}) for one platform. Install \`overfill\`, which asks for it.\n`,
    );
    tarballs.platforms[platform] = npmPack(folder, output);
  }
  rmSync(staging, { recursive: true });
  return tarballs;
}

if (isProgram(import.meta.url)) {
  const { values } = parseArgs({ options: { output: { type: "string" }, require: { type: "string" } } });
  const {
    main,
    create,
    platforms: packed,
  } = packRelease({
    ...(values.output && { output: resolve(values.output) }),
    required: values.require?.split(",") ?? [],
  });
  console.log([main, create, ...Object.values(packed)].join("\n"));
}
