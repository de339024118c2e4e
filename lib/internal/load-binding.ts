/**
 * The one place that loads the native addon. Nothing happens on import; the first call loads, once in each JavaScript
 * environment (the main thread and every worker have their own).
 */
import { dirname, join } from "node:path";
import { createNativeError } from "../errors/create-error.js";
import { BindingError } from "../errors/index.js";
import { type AddonFile, buildFromClone, findAddon, missingAddon } from "./addon-file.js";
import type { NativeBinding } from "./binding-types.js";
import { chooseGpu, type GpuChoice } from "./gpu-backend.js";
import {
  candidateLibraries,
  findLlamaLibraries,
  installedGpuPackages,
  type LlamaLibraries,
} from "./llama-libraries.js";
import { mappedLibraries, usesMusl } from "./mapped-libraries.js";
import { findOwnPackage, isPackedInArchive, ownFolder } from "./package-files.js";
import { type GpuKind, libraryFiles, platformName, supportedPlatform } from "./platform.js";
import { loadAddon, mapLibraries } from "./shared-libraries.js";

export type { GpuChoice } from "./gpu-backend.js";

/** What can be told about the native part without loading it. */
export interface BindingDescription {
  /** As Node names it, such as "linux-x64". */
  readonly platform: string;
  /** The addon's file; undefined if there is none. */
  readonly addonPath: string | undefined;
  /** "source": llama.cpp is linked into the addon. */
  readonly llamaOrigin: "prebuilt" | "source" | undefined;
  /** The version of llama.cpp that the addon was compiled against. */
  readonly llamaVersionBuilt: string | undefined;
  /** The folder of llama.cpp's libraries that would be loaded, of whatever version; undefined if there is none. */
  readonly libraryDirectory: string | undefined;
  readonly llamaVersionFound: string | undefined;
  readonly platformPackage:
    | { readonly name: string; readonly directory: string; readonly version: string | undefined }
    | undefined;
  readonly gpuPackages: readonly {
    readonly kind: GpuKind;
    readonly name: string;
    readonly directory: string;
    readonly llamaVersion: string | undefined;
  }[];
}

let loaded: NativeBinding | undefined;
const gpuChoices = new Map<"auto" | GpuKind, GpuChoice>();

/**
 * The addon, loaded on the first call.
 *
 * @throws BindingError with each of its codes but ERR_GPU_UNAVAILABLE; the message says what to do
 */
export function loadBinding(): NativeBinding {
  loaded ??= load();
  return loaded;
}

/**
 * Loads the GPU back end that was asked for. "auto" takes the first of CUDA, Metal and Vulkan that is installed and
 * finds a device, and the CPU if there is none.
 *
 * @throws BindingError ERR_GPU_UNAVAILABLE if one that was asked for by name cannot be had; also what `loadBinding` throws
 */
export function loadGpu(gpu: "auto" | GpuKind | false): GpuChoice {
  const binding = loadBinding();
  if (gpu === false) return chooseGpu(binding, gpu);
  const choice = gpuChoices.get(gpu) ?? chooseGpu(binding, gpu);
  gpuChoices.set(gpu, choice);
  return choice;
}

/** What would be loaded, for `overfill doctor`. Loads nothing and does not throw when something is missing. */
export function describeBinding(): BindingDescription {
  const name = platformName();
  const addon = findAddon();
  const platform = supportedPlatform(name);
  const libraries = platform === undefined ? undefined : preferredLibraries(candidateLibraries(platform), addon);
  return {
    platform: name,
    addonPath: addon?.path,
    llamaOrigin: addon?.llamaOrigin,
    llamaVersionBuilt: addon?.llamaVersion,
    libraryDirectory: libraries?.directory,
    llamaVersionFound: libraries?.llamaVersion,
    platformPackage: libraries?.package,
    gpuPackages: installedGpuPackages(name).map(({ kind, packageName, directory, llamaVersion }) => ({
      kind,
      name: packageName,
      directory,
      llamaVersion,
    })),
  };
}

function preferredLibraries(candidates: readonly LlamaLibraries[], addon: AddonFile | undefined) {
  return candidates.find((libraries) => libraries.llamaVersion === addon?.llamaVersion) ?? candidates[0];
}

function load(): NativeBinding {
  const name = platformName();
  const platform = supportedPlatform(name);
  const addon = findAddon();
  if (addon === undefined && platform !== undefined) {
    // Code in a bundle says first that the package itself is not there.
    if (findOwnPackage() === undefined) ownFolder();
    throw missingAddon();
  }
  if (addon?.llamaOrigin === "source") return initialize(loadAddon(addon.path, ""), addon, "");

  const mapped = platform === undefined ? [] : mappedLibraries();
  if (addon === undefined || platform === undefined || usesMusl(mapped)) {
    const where = platform === undefined ? name : `${name} with musl as its C library`;
    throw new BindingError(
      "ERR_PLATFORM_UNSUPPORTED",
      `there are no prebuilt llama.cpp libraries for ${where}. Build llama.cpp too: with OVERFILL_LLAMA=source in the ` +
        `environment, ${buildFromClone}`,
      { platform: name },
    );
  }
  const { directory } = findLlamaLibraries(platform, addon.llamaVersion);
  const files = libraryFiles(platform, addon.llamaVersion);
  refuseArchive([addon.path, ...files.map((file) => join(directory, file))]);
  mapLibraries(directory, files, mapped);
  return initialize(loadAddon(addon.path, directory), addon, directory);
}

/** The system's linker cannot read what an Electron app has left in its archive. */
function refuseArchive(files: readonly string[]): void {
  const path = files.find(isPackedInArchive);
  if (path === undefined) return;
  throw new BindingError(
    "ERR_BINDING_LOAD_FAILED",
    `${path} is in an archive, where native code cannot open it. Leave it unpacked when packing the app: ` +
      'asarUnpack: ["**/node_modules/{overfill,@overfill,@node-llama-cpp}/**"]',
    { path },
  );
}

function initialize(exports: unknown, addon: AddonFile, backendDirectory: string): NativeBinding {
  const binding = exports as NativeBinding;
  binding.initialize({ backendDirectory, addonDirectory: dirname(addon.path), createError: createNativeError });
  // process.exit(), an uncaught exception and the natural end run this and then destroy llama.cpp's static objects, which
  // running threads would go on to use. A worker that is terminated emits nothing; Node-API's cleanup hooks do there.
  process.once("exit", () => binding.endThreads());
  return binding;
}
