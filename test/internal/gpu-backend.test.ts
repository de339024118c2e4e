/** Choosing a GPU back end: what each answer of the addon and each state of the packages leads to. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import test from "ava";
import { createError } from "../../lib/errors/create-error.js";
import { BindingError } from "../../lib/errors/index.js";
import type { NativeBinding, NativeDevice } from "../../lib/internal/binding-types.js";
import { chooseGpu } from "../../lib/internal/gpu-backend.js";
import { gpuPackages, platformName } from "../../lib/internal/platform.js";
import { flatLayout, llamaVersion, loadInChild, testPrebuiltIf } from "./layouts.js";

const device = (kind: NativeDevice["kind"], backend: string): NativeDevice => ({
  name: `${backend}0`,
  description: "",
  kind,
  backend,
  memoryFreeBytes: 0,
  memoryTotalBytes: 0,
});

/** An addon that has these devices and no GPU package to load. */
function bindingWith(devices: readonly NativeDevice[]): NativeBinding {
  const binding: Partial<NativeBinding> = {
    llamaOrigin: "source",
    llamaVersionLoaded: llamaVersion,
    devices: () => [...devices],
    loadGpuBackend: () => {
      throw createError("ERR_INTERNAL", "nothing to load", {});
    },
  };
  return binding as NativeBinding;
}

const cpu = device("cpu", "CPU");

test("false is the CPU", (t) => {
  t.deepEqual(chooseGpu(bindingWith([cpu, device("gpu", "CUDA")]), false), { kind: false, reasons: [] });
});

test("a back end that is there already is taken", (t) => {
  t.is(chooseGpu(bindingWith([cpu, device("gpu", "MTL")]), "metal").kind, "metal");
  t.is(chooseGpu(bindingWith([cpu, device("igpu", "Vulkan")]), "auto").kind, "vulkan");
});

test("auto prefers CUDA to Metal to Vulkan", (t) => {
  const all = [cpu, device("gpu", "Vulkan"), device("gpu", "MTL"), device("gpu", "CUDA")];
  t.is(chooseGpu(bindingWith(all), "auto").kind, "cuda");
  t.is(chooseGpu(bindingWith(all.slice(0, 3)), "auto").kind, "metal");
});

test("auto falls back to the CPU and tells why", (t) => {
  const choice = chooseGpu(bindingWith([cpu]), "auto");
  t.is(choice.kind, false);
  t.is(choice.reasons.length, 3);
});

test("a back end asked for by name that cannot be had is an error", (t) => {
  const error = t.throws(() => chooseGpu(bindingWith([cpu]), "cuda"), { instanceOf: BindingError });
  t.is(error?.code, "ERR_GPU_UNAVAILABLE");
});

/** The GPU package of this platform whose state the next tests change. */
const vulkan = gpuPackages(platformName()).find((gpu) => gpu.kind === "vulkan");
const testGpuPackage = testPrebuiltIf(vulkan !== undefined);

const askForVulkan = `
  const { loadGpu } = await import(loader);
  extra.auto = loadGpu("auto");
  try { loadGpu("vulkan"); } catch (error) { Object.assign(extra, { code: error.code, message: error.message }); }`;

function placeVulkan(modules: string, release: string): string {
  const folder = join(modules, vulkan?.packageName ?? "");
  const library = join(folder, vulkan?.libraryPath ?? "");
  mkdirSync(dirname(library), { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "version": "3.22.1" }');
  writeFileSync(library, "not a library");
  const metadata = { buildOptions: { llamaCpp: { release } } };
  writeFileSync(join(dirname(library), "_nlcBuildMetadata.json"), JSON.stringify(metadata));
  return library;
}

testGpuPackage("a GPU package that is missing: says which to install", async (t) => {
  const { packageFolder } = flatLayout(t);
  const { extra } = await loadInChild(packageFolder, { after: askForVulkan });
  t.is(extra.code, "ERR_GPU_UNAVAILABLE");
  t.true(String(extra.message).includes(`npm install ${vulkan?.packageName}@3.22.1`), String(extra.message));
});

testGpuPackage("a GPU package of another llama.cpp is not loaded", async (t) => {
  const { modules, packageFolder } = flatLayout(t);
  placeVulkan(modules, "v0.9.9");
  const { extra } = await loadInChild(packageFolder, { after: askForVulkan });
  t.is(extra.code, "ERR_GPU_UNAVAILABLE");
  t.true(String(extra.message).includes("0.9.9"), String(extra.message));
  t.like(extra.auto, { kind: false });
});

testGpuPackage("a GPU package that cannot be loaded: auto goes on with the CPU, a name is an error", async (t) => {
  const { modules, packageFolder } = flatLayout(t);
  const library = placeVulkan(modules, `v${llamaVersion}`);
  const { extra } = await loadInChild(packageFolder, { after: askForVulkan });
  t.is(extra.code, "ERR_GPU_UNAVAILABLE");
  t.true(String(extra.message).includes(library), String(extra.message));
  t.like(extra.auto, { kind: false });
});

testGpuPackage("a GPU package without its library counts as missing", async (t) => {
  const { modules, packageFolder } = flatLayout(t);
  rmSync(placeVulkan(modules, `v${llamaVersion}`));
  const { extra } = await loadInChild(packageFolder, { after: askForVulkan });
  t.true(String(extra.message).includes("is not installed"), String(extra.message));
});
