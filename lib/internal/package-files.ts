/**
 * Finds this package's own files and other packages, in any layout that a package manager, a bundler or Electron makes.
 * Nothing is looked up on import.
 */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BindingError } from "../errors/index.js";
import { ownVersion } from "./versions.js";

/** This package's name; also what its package.json must say for a folder to be it. */
const ownName = "overfill";

/** A folder that holds a package. */
export interface PackageFolder {
  readonly directory: string;
  readonly version: string | undefined;
}

/**
 * The file that this code is in: the package's own, or a bundle. esbuild empties `import.meta` where it writes CommonJS,
 * and CommonJS has `__filename` instead. Webpack writes down where the file was when it was bundled, so the file need not exist.
 */
function ownFile(): string | undefined {
  const url = import.meta.url as string | undefined;
  if (url?.startsWith("file:")) return fileURLToPath(url);
  return typeof __filename === "string" ? __filename : undefined;
}

/** Where a bundle looks for packages: from its own folder, and from the folder of the program that was started. */
function bundleFolders(): string[] {
  const program = process.argv[1];
  const files = [ownFile(), program !== undefined && existsSync(program) ? realpathSync(program) : undefined];
  return files.flatMap((file) => (file === undefined ? [] : [dirname(file)]));
}

let own: PackageFolder | undefined;

/**
 * This package: the folder that this code lies in, or, for code in a bundle, an installed copy, if possible of the
 * same version. Undefined if there is none.
 */
export function findOwnPackage(): PackageFolder | undefined {
  own ??= lookUpOwnPackage();
  return own;
}

function lookUpOwnPackage(): PackageFolder | undefined {
  const file = ownFile();
  // The same from `dist/internal` and from `lib/internal`.
  const around = file === undefined ? undefined : join(dirname(file), "..", "..");
  if (around !== undefined && isOwnFolder(around)) return { directory: around, version: ownVersion };
  const installed = bundleFolders()
    .flatMap((folder) => packageFolders(ownName, folder))
    .filter(isOwnFolder)
    .map((directory) => ({ directory, version: packageVersion(directory) }));
  return installed.find(({ version }) => version === ownVersion) ?? installed[0];
}

function isOwnFolder(folder: string): boolean {
  return (readJson(join(folder, "package.json")) as { readonly name?: string } | undefined)?.name === ownName;
}

/**
 * This package's folder, for what only it has.
 *
 * @throws BindingError ERR_BINDING_MISSING if this code was bundled and the package is not installed beside the bundle,
 *   or in another version
 */
export function ownFolder(): string {
  const found = findOwnPackage();
  if (found?.version === ownVersion) return found.directory;
  const fix =
    `keep ${ownName} external when bundling, or install ${ownName}@${ownVersion} where the bundle runs: ` +
    `npm install ${ownName}@${ownVersion}`;
  throw new BindingError(
    "ERR_BINDING_MISSING",
    found === undefined
      ? `${ownName} was bundled, and its other files are not installed beside the bundle: ${fix}`
      : `this code is from ${ownName} ${ownVersion}, but ${found.directory} holds ${found.version}: ${fix}`,
    { searched: bundleFolders(), expected: ownVersion, actual: found?.version },
  );
}

/** The folders from which other packages are looked up. */
export function searchOrigins(): readonly string[] {
  const found = findOwnPackage();
  return found === undefined ? bundleFolders() : [found.directory];
}

/** A path inside an Electron archive: `app.asar/x`. */
const insideArchive = /\.asar(?=[\\/])/;

/**
 * Where a file that native code opens really is. Electron packs an app into an archive that only its JavaScript can
 * read, and puts what shall stay a file beside it: `app.asar/x` is then in `app.asar.unpacked/x`.
 */
export function unpackedPath(path: string): string {
  const unpacked = path.replace(insideArchive, ".asar.unpacked");
  return unpacked !== path && existsSync(unpacked) ? unpacked : path;
}

/** Whether `path` is a file that Electron's JavaScript can read and native code cannot. */
export function isPackedInArchive(path: string): boolean {
  return process.versions.electron !== undefined && insideArchive.test(path) && existsSync(path);
}

/**
 * The folders of all installed copies of the package `name` that Node would find from `from`, nearest first. Looked up
 * by folder, because platform packages export neither their package.json nor their libraries.
 */
export function packageFolders(name: string, from: string): string[] {
  // Not imported: webpack puts nothing in the place of an imported `createRequire` that it cannot evaluate.
  const { resolve } = process.getBuiltinModule("node:module").createRequire(join(from, "package.json"));
  const folders = (resolve.paths(name) ?? []).map((folder) => join(folder, name));
  // A package manager without node_modules (Yarn Plug'n'Play) answers only to `resolve`.
  for (const [request, up] of [
    [`${name}/package.json`, "."],
    [name, ".."],
  ] as const) {
    try {
      folders.push(join(dirname(resolve(request)), up));
    } catch {
      // Not installed, not exported, or found above already.
    }
  }
  const found = new Set<string>();
  for (const folder of folders) if (existsSync(join(folder, "package.json"))) found.add(realpathSync(folder));
  return [...found];
}

/** A JSON file's content, or undefined if it cannot be read. */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/** The version in the package.json of `folder`, or undefined. */
export function packageVersion(folder: string): string | undefined {
  return (readJson(join(folder, "package.json")) as { readonly version?: string } | undefined)?.version;
}
