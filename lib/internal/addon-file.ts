/** Finds the addon's file and what was noted beside it when it was built. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BindingError } from "../errors/index.js";
import {
  findOwnPackage,
  type PackageFolder,
  packageFolders,
  packageVersion,
  readJson,
  searchOrigins,
  unpackedPath,
} from "./package-files.js";
import { addonPackageName, platformName } from "./platform.js";
import { ownVersion, prebuiltLlamaVersion } from "./versions.js";

/** The addon's file. */
export interface AddonFile {
  readonly path: string;
  /** "source": llama.cpp is linked into the addon, and no platform package is needed. */
  readonly llamaOrigin: "prebuilt" | "source";
  /** The version of llama.cpp that it was compiled against. */
  readonly llamaVersion: string;
}

const fileName = "overfill.node";

/** The installed platform packages with an addon, of whatever version, nearest first. */
function addonPackages(): PackageFolder[] {
  const name = addonPackageName(platformName());
  if (name === undefined) return [];
  const folders = searchOrigins().flatMap((from) => packageFolders(name, from));
  return [...new Set(folders)].map((directory) => ({ directory, version: packageVersion(directory) }));
}

/**
 * Where an addon may be, best first: one that was built here, then the platform package's, then one that was packed
 * together with the package. Nothing of another version than this code is among them.
 */
export function addonPaths(): readonly string[] {
  const own = findOwnPackage();
  const inOwn = own?.version === ownVersion ? (folder: string) => [join(own.directory, folder)] : () => [];
  const packages = addonPackages().filter(({ version }) => version === ownVersion);
  return [
    ...inOwn(join("build", "Release")),
    ...packages.map(({ directory }) => directory),
    ...inOwn(join("prebuilds", platformName())),
  ].map((folder) => unpackedPath(join(folder, fileName)));
}

/** Undefined if there is none for this platform. */
export function findAddon(): AddonFile | undefined {
  const path = addonPaths().find((candidate) => existsSync(candidate));
  if (path === undefined) return undefined;
  // A prebuild comes without a description.
  const description = readJson(path.replace(/\.node$/, ".json")) as
    | { readonly llama?: string; readonly llamaVersion?: string }
    | undefined;
  return {
    path,
    llamaOrigin: description?.llama === "source" ? "source" : "prebuilt",
    llamaVersion: description?.llamaVersion ?? prebuiltLlamaVersion,
  };
}

/** The folder from which the addon's own dependencies are looked up besides this package's: that of its platform package. */
export function addonOrigins(): readonly string[] {
  return addonPackages().map(({ directory }) => directory);
}

/** How an addon is built where none is published: in a clone, as a tarball with the addon in it, which needs no script to install. */
export const buildFromClone =
  "in a clone of https://github.com/overfill/overfill run `npm ci && npm pack`, and install the tarball that this makes " +
  "(docs/platforms.md)";

/** The error for a platform that has prebuilt addons, and none is here. The commands run no install script. */
export function missingAddon(): BindingError {
  const platform = platformName();
  const packageName = addonPackageName(platform);
  const own = findOwnPackage();
  const details = { platform, packageName, expected: ownVersion, searched: addonPaths() };
  if (own !== undefined && existsSync(join(own.directory, "binding.gyp")))
    return new BindingError(
      "ERR_BINDING_MISSING",
      `overfill has no native addon for ${platform}: ${own.directory} is a clone that has not been built yet. ` +
        "Build it: npm run build:native",
      details,
    );
  const wanted = `${packageName}@${ownVersion}`;
  const install = `npm install ${wanted} (with pnpm: pnpm add ${wanted})`;
  const other = addonPackages().find(({ version }) => version !== ownVersion);
  if (other !== undefined)
    return new BindingError(
      "ERR_BINDING_MISSING",
      `overfill ${ownVersion} needs ${packageName} ${ownVersion}, but ${other.directory} holds ${other.version}. ` +
        `Install the right version: ${install}`,
      { ...details, actual: other.version, directory: other.directory },
    );
  return new BindingError(
    "ERR_BINDING_MISSING",
    `overfill has no native addon for ${platform}: ${packageName} is not installed. It is an optional dependency, which ` +
      `\`--omit=optional\` and a lock file from another platform leave out. Install it: ${install}. ` +
      `If there is no such package, build it: ${buildFromClone}`,
    details,
  );
}
