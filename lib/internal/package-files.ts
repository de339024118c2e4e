/** Finds this package's own files and other packages, in any layout that a package manager or Electron makes. */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** This package's folder; the same from `dist/internal` and from `lib/internal`. */
export const packageRoot = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Where a native file really is. Electron packs an app into an archive that the dynamic linker cannot read, and puts
 * native files beside it: `app.asar/x` is then in `app.asar.unpacked/x`.
 */
export function unpackedPath(path: string): string {
  const unpacked = path.replace(/\.asar(?=[\\/])/, ".asar.unpacked");
  return unpacked !== path && existsSync(unpacked) ? unpacked : path;
}

/**
 * The folders of all installed copies of the package `name` that Node would find from `from`, nearest first. Looked up
 * by folder, because platform packages export neither their package.json nor their libraries.
 */
export function packageFolders(name: string, from: string): string[] {
  const require = createRequire(join(from, "package.json"));
  const folders = (require.resolve.paths(name) ?? []).map((folder) => join(folder, name));
  // A package manager without node_modules (Yarn Plug'n'Play) answers only to `resolve`.
  try {
    folders.push(join(dirname(require.resolve(name)), ".."));
  } catch {
    // Not installed, or found above already.
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

/** The version of the platform packages that this package asks for. */
export function wantedVersion(): string {
  const manifest = readJson(join(packageRoot, "package.json")) as
    | { readonly peerDependencies?: Readonly<Record<string, string>> }
    | undefined;
  return manifest?.peerDependencies?.["node-llama-cpp"] ?? "latest";
}
