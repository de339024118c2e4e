/** Finds the folder of llama.cpp's shared libraries, of the one version that the addon was compiled against. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { BindingError } from "../errors/index.js";
import { addonOrigins } from "./addon-file.js";
import { packageFolders, packageVersion, readJson, searchOrigins, unpackedPath } from "./package-files.js";
import { type GpuPackage, gpuPackages, libraryFiles, type SupportedPlatform } from "./platform.js";
import { llamaPackagesVersion } from "./versions.js";

/** A folder with llama.cpp's libraries. */
export interface LlamaLibraries {
  readonly directory: string;
  /** Version of llama.cpp, such as "0.5.0"; undefined if the folder does not tell. */
  readonly llamaVersion: string | undefined;
  /** The package that holds it; undefined for a folder that the user has named. */
  readonly package:
    | { readonly name: string; readonly directory: string; readonly version: string | undefined }
    | undefined;
}

/** An installed GPU package. */
export interface InstalledGpuPackage extends GpuPackage {
  readonly directory: string;
  readonly llamaVersion: string | undefined;
  /** Absolute paths to try, in this order. */
  readonly libraryPaths: readonly string[];
}

/** Environment variable: the libraries' folder, in place of the platform package's. */
export const directoryVariable = "OVERFILL_LLAMA_DIR";

/** All copies of a package that this package, the addon's or an installed node-llama-cpp can see, nearest first. */
function installedCopies(name: string): string[] {
  const origins = searchOrigins();
  const nodeLlamaCpp = origins.flatMap((from) => packageFolders("node-llama-cpp", from));
  const folders = [...addonOrigins(), ...origins, ...nodeLlamaCpp].flatMap((from) => packageFolders(name, from));
  return [...new Set(folders)];
}

/** The llama.cpp release that node-llama-cpp has noted beside the libraries, or the one in a library's name. */
function versionOf(directory: string): string | undefined {
  const metadata = readJson(join(directory, "_nlcBuildMetadata.json")) as
    | { readonly buildOptions?: { readonly llamaCpp?: { readonly release?: string } } }
    | undefined;
  const release = metadata?.buildOptions?.llamaCpp?.release;
  if (release !== undefined) return release.replace(/^v/, "");
  for (const name of existsSync(directory) ? readdirSync(directory) : []) {
    const version = /^(?:lib)?llama\.(?:\w+\.)?v(\d+\.\d+\.\d+)\./.exec(name)?.[1];
    if (version !== undefined) return version;
  }
  return undefined;
}

function describeDirectory(directory: string): LlamaLibraries {
  return { directory, llamaVersion: versionOf(directory), package: undefined };
}

/** Every folder that could be used, whatever its version, best first. */
export function candidateLibraries(platform: SupportedPlatform): LlamaLibraries[] {
  const named = process.env[directoryVariable];
  if (named !== undefined && named !== "") return [describeDirectory(named)];
  const { packageName: name, folder } = platform;
  return installedCopies(name).map((directory) => ({
    ...describeDirectory(unpackedPath(join(directory, "bins", folder))),
    package: { name, directory, version: packageVersion(directory) },
  }));
}

/**
 * The libraries of llama.cpp `llamaVersion`.
 *
 * @throws BindingError ERR_PLATFORM_PACKAGE_MISSING, ERR_LLAMA_VERSION_MISMATCH
 */
export function findLlamaLibraries(platform: SupportedPlatform, llamaVersion: string): LlamaLibraries {
  const candidates = candidateLibraries(platform);
  const files = libraryFiles(platform, llamaVersion);
  const complete = (libraries: LlamaLibraries) => files.every((file) => existsSync(join(libraries.directory, file)));
  const match = candidates.find(
    (libraries) => (libraries.llamaVersion ?? llamaVersion) === llamaVersion && complete(libraries),
  );
  if (match !== undefined) return match;

  const { packageName } = platform;
  const install = `npm install ${packageName}@${llamaPackagesVersion}`;
  const other = candidates.find(
    (libraries) => libraries.llamaVersion !== undefined && libraries.llamaVersion !== llamaVersion,
  );
  if (other !== undefined) {
    throw new BindingError(
      "ERR_LLAMA_VERSION_MISMATCH",
      `overfill was built for llama.cpp ${llamaVersion}, but ${other.directory} holds llama.cpp ${other.llamaVersion}. ` +
        `Install the platform package of the right version: ${install}`,
      {
        expected: llamaVersion,
        actual: other.llamaVersion,
        directory: other.directory,
        packageName,
        packageVersion: other.package?.version,
      },
    );
  }
  const broken = candidates[0];
  throw new BindingError(
    "ERR_PLATFORM_PACKAGE_MISSING",
    broken === undefined
      ? `${packageName}, which holds llama.cpp's libraries, is not installed. It is an optional dependency, which ` +
          `\`--omit=optional\` and a lock file from another platform leave out. Install it: ${install}`
      : `${broken.directory} lacks ${files.filter((file) => !existsSync(join(broken.directory, file))).join(", ")}. ` +
          `Install the platform package again: ${install}`,
    { packageName, searchedFrom: searchOrigins(), directory: broken?.directory },
  );
}

/** The GPU packages that are installed, whatever their version, best first. */
export function installedGpuPackages(platform: string): InstalledGpuPackage[] {
  return gpuPackages(platform).flatMap((gpu) => {
    const directory = installedCopies(gpu.packageName)[0];
    if (directory === undefined) return [];
    const version = packageVersion(directory);
    // The fallback has no version mark of its own: its package's version must be that of the main one.
    const { fallback } = gpu;
    const second = fallback && installedCopies(fallback.packageName).find((copy) => packageVersion(copy) === version);
    const paths = [join(directory, gpu.libraryPath)];
    if (fallback !== undefined && second !== undefined) paths.push(join(second, fallback.libraryPath));
    const libraryPaths = paths.map(unpackedPath).filter((path) => existsSync(path));
    return [
      {
        ...gpu,
        directory,
        llamaVersion: versionOf(unpackedPath(join(directory, gpu.libraryPath, ".."))),
        libraryPaths,
      },
    ];
  });
}
