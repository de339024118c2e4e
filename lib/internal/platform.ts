/** What this platform is, and how node-llama-cpp names its packages and llama.cpp's libraries on it. */

/** A platform that has a package with llama.cpp's libraries. */
export interface SupportedPlatform {
  /** The plain package (on Apple silicon: the Metal one), such as `@node-llama-cpp/linux-x64`. */
  readonly packageName: string;
  /** The folder of the libraries below the package's `bins`. */
  readonly folder: string;
  /** Stands in the names of libllama and libggml before the version: "metal." in `libllama.metal.v0.5.0.dylib`. */
  readonly variant: string;
  readonly libraryPrefix: string;
  readonly librarySuffix: string;
}

export type GpuKind = "cuda" | "metal" | "vulkan";

/** A GPU package that exists for a platform. */
export interface GpuPackage {
  readonly kind: GpuKind;
  readonly packageName: string;
  /** The back end's library inside the package. */
  readonly libraryPath: string;
  /** A package with the same back end for an older driver, tried when the first cannot be loaded. */
  readonly fallback?: { readonly packageName: string; readonly libraryPath: string };
}

const scope = "@node-llama-cpp";
const libraryNames: Readonly<Record<string, { readonly prefix: string; readonly suffix: string }>> = {
  linux: { prefix: "lib", suffix: ".so" },
  darwin: { prefix: "lib", suffix: ".dylib" },
  win32: { prefix: "", suffix: ".dll" },
};
const folders: Readonly<Record<string, string>> = {
  "linux-x64": "linux-x64",
  "linux-arm64": "linux-arm64",
  "darwin-arm64": "mac-arm64-metal",
  "darwin-x64": "mac-x64",
  "win32-x64": "win-x64",
  "win32-arm64": "win-arm64",
};

/** The name that Node gives this platform, such as "linux-x64"; also the folder's name in `prebuilds`. */
export function platformName(): string {
  return `${process.platform}-${process.arch}`;
}

/** The package with this package's addon for the platform `name`, such as "@overfill/mac-arm64"; undefined if there is none. */
export function addonPackageName(name: string): string | undefined {
  const folder = folders[name];
  return folder === undefined ? undefined : `@overfill/${folder.replace(/-metal$/, "")}`;
}

/** Undefined if there are no libraries for the platform `name`. */
export function supportedPlatform(name: string): SupportedPlatform | undefined {
  const folder = folders[name];
  const names = libraryNames[name.slice(0, name.indexOf("-"))];
  if (folder === undefined || names === undefined) return undefined;
  return {
    packageName: `${scope}/${folder}`,
    folder,
    variant: folder.endsWith("-metal") ? "metal." : "",
    libraryPrefix: names.prefix,
    librarySuffix: names.suffix,
  };
}

/** File names of llama.cpp's libraries, those first that the others need. */
export function libraryFiles(platform: SupportedPlatform, llamaVersion: string): readonly string[] {
  const { libraryPrefix: prefix, librarySuffix: suffix, variant } = platform;
  return [
    `${prefix}ggml-base${suffix}`,
    `${prefix}ggml.${variant}v${llamaVersion}${suffix}`,
    `${prefix}llama.${variant}v${llamaVersion}${suffix}`,
    `${prefix}llama-common${suffix}`,
  ];
}

/** The GPU packages that exist for the platform `name`, best first. Apple silicon has Metal in its plain package. */
export function gpuPackages(name: string): readonly GpuPackage[] {
  if (name !== "linux-x64" && name !== "win32-x64") return [];
  const folder = folders[name];
  const names = libraryNames[name === "linux-x64" ? "linux" : "win32"];
  if (folder === undefined || names === undefined) return [];
  const library = (kind: GpuKind) => `${names.prefix}ggml-${kind}${names.suffix}`;
  return [
    {
      kind: "cuda",
      packageName: `${scope}/${folder}-cuda`,
      libraryPath: `bins/${folder}-cuda/${library("cuda")}`,
      fallback: {
        packageName: `${scope}/${folder}-cuda-ext`,
        libraryPath: `bins/${folder}-cuda/fallback/${library("cuda")}`,
      },
    },
    {
      kind: "vulkan",
      packageName: `${scope}/${folder}-vulkan`,
      libraryPath: `bins/${folder}-vulkan/${library("vulkan")}`,
    },
  ];
}
