/** Chooses a GPU back end and loads its library into the ggml that the addon uses. */
import { BindingError, OverfillError } from "../errors/index.js";
import type { NativeBinding } from "./binding-types.js";
import { type InstalledGpuPackage, installedGpuPackages } from "./llama-libraries.js";
import { type GpuKind, gpuPackages, platformName } from "./platform.js";
import { llamaPackagesVersion } from "./versions.js";

/** Which GPU back end is loaded. */
export interface GpuChoice {
  /** False: the CPU alone. */
  readonly kind: GpuKind | false;
  /** Why each back end that was tried is not used, in the order in which they were tried. */
  readonly reasons: readonly string[];
}

const order: readonly GpuKind[] = ["cuda", "metal", "vulkan"];
/** What ggml calls the back ends, in lower case. */
const backendNames: Readonly<Record<GpuKind, readonly string[]>> = {
  cuda: ["cuda"],
  metal: ["mtl", "metal"],
  vulkan: ["vulkan"],
};

function hasDevice(binding: NativeBinding, kind: GpuKind): boolean {
  return binding
    .devices()
    .some((device) => device.kind !== "cpu" && backendNames[kind].includes(device.backend.toLowerCase()));
}

/** Undefined if the back end is ready, else why it is not. */
function tryBackend(
  binding: NativeBinding,
  kind: GpuKind,
  installed: readonly InstalledGpuPackage[],
): string | undefined {
  // Metal comes with the plain package, and a build from source may have any back end linked in.
  if (hasDevice(binding, kind)) return undefined;
  const platform = platformName();
  const known = gpuPackages(platform).find((gpu) => gpu.kind === kind);
  if (known === undefined) return `there is no ${kind} back end for ${platform}`;
  if (binding.llamaOrigin === "source") return `this build of overfill has llama.cpp linked in, without ${kind}`;
  const install = `npm install ${known.packageName}@${llamaPackagesVersion}`;
  const found = installed.find((gpu) => gpu.kind === kind);
  if (found === undefined || found.libraryPaths.length === 0)
    return `${known.packageName} is not installed: ${install}`;
  if (found.llamaVersion !== binding.llamaVersionLoaded)
    return `${known.packageName} is for llama.cpp ${found.llamaVersion ?? "(unknown)"}, not ${binding.llamaVersionLoaded}: ${install}`;

  const failures: string[] = [];
  for (const path of found.libraryPaths) {
    try {
      if (binding.loadGpuBackend(path)) return undefined;
      failures.push(`${path} found no device`);
    } catch (error) {
      if (!OverfillError.isInstance(error)) throw error;
      failures.push(error.message);
    }
  }
  return failures.join("; ");
}

/**
 * Makes a GPU back end ready.
 *
 * @throws BindingError ERR_GPU_UNAVAILABLE if a back end that was asked for by name cannot be had
 */
export function chooseGpu(binding: NativeBinding, gpu: "auto" | GpuKind | false): GpuChoice {
  if (gpu === false) return { kind: false, reasons: [] };
  const installed = installedGpuPackages(platformName());
  const reasons: string[] = [];
  for (const kind of gpu === "auto" ? order : [gpu]) {
    const reason = tryBackend(binding, kind, installed);
    if (reason === undefined) return { kind, reasons };
    reasons.push(`${kind}: ${reason}`);
  }
  if (gpu === "auto") return { kind: false, reasons };
  throw new BindingError("ERR_GPU_UNAVAILABLE", `the GPU back end cannot be used: ${reasons.join("; ")}`, {
    gpu,
    reasons,
  });
}
