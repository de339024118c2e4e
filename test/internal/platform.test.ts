/** What is written down about platforms agrees with package.json and with node-llama-cpp. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { findAddon } from "../../lib/internal/addon-file.js";
import { usesMusl } from "../../lib/internal/mapped-libraries.js";
import { addonPackageName, gpuPackages, libraryFiles, supportedPlatform } from "../../lib/internal/platform.js";
import { llamaPackagesVersion, ownVersion, prebuiltLlamaVersion } from "../../lib/internal/versions.js";

const readJson = (path: string) => JSON.parse(readFileSync(path, "utf8")) as Record<string, Record<string, string>>;
const manifest = readJson(fileURLToPath(new URL("../../package.json", import.meta.url)));
const nodeLlamaCpp = dirname(dirname(fileURLToPath(import.meta.resolve("node-llama-cpp"))));
const platforms = ["linux-x64", "linux-arm64", "darwin-arm64", "darwin-x64", "win32-x64", "win32-arm64"];

test("the platform packages are exactly the optional dependencies, all of one version", (t) => {
  const names = platforms.map((name) => supportedPlatform(name)?.packageName ?? name);
  t.deepEqual(Object.keys(manifest.optionalDependencies ?? {}).sort(), names.sort());
  for (const version of Object.values(manifest.optionalDependencies ?? {})) t.is(version, llamaPackagesVersion);
});

test("the versions in the code are those of package.json, and nothing binds the node-llama-cpp of an app", (t) => {
  t.is(String(manifest.version), ownVersion);
  t.is(manifest.devDependencies?.["node-llama-cpp"], llamaPackagesVersion);
  // Any version is right for an app that has its own for itself: another one would fail the install.
  t.deepEqual(manifest.peerDependencies, { "@modelcontextprotocol/sdk": "*" });
});

test("each platform with libraries has a package for the addon", (t) => {
  t.deepEqual(platforms.map(addonPackageName), [
    "@overfill/linux-x64",
    "@overfill/linux-arm64",
    "@overfill/mac-arm64",
    "@overfill/mac-x64",
    "@overfill/win-x64",
    "@overfill/win-arm64",
  ]);
  t.is(addonPackageName("aix-ppc64"), undefined);
});

test("the GPU packages are among node-llama-cpp's own", (t) => {
  const known = Object.keys(readJson(join(nodeLlamaCpp, "package.json")).optionalDependencies ?? {});
  for (const gpu of platforms.flatMap((name) => gpuPackages(name))) {
    t.true(known.includes(gpu.packageName), gpu.packageName);
    if (gpu.fallback) t.true(known.includes(gpu.fallback.packageName), gpu.fallback.packageName);
  }
});

test("the addon is built for the llama.cpp of the platform packages", (t) => {
  const { release } = readJson(join(nodeLlamaCpp, "llama", "binariesGithubRelease.json"));
  t.is(`v${findAddon()?.llamaVersion}`, String(release));
  t.is(`v${prebuiltLlamaVersion}`, String(release));
});

test("libraries are named as each platform names them, dependencies first", (t) => {
  const files = (name: string) => {
    const platform = supportedPlatform(name);
    return platform && libraryFiles(platform, "0.5.0");
  };
  t.deepEqual(files("linux-x64"), ["libggml-base.so", "libggml.v0.5.0.so", "libllama.v0.5.0.so", "libllama-common.so"]);
  t.deepEqual(files("darwin-arm64"), [
    "libggml-base.dylib",
    "libggml.metal.v0.5.0.dylib",
    "libllama.metal.v0.5.0.dylib",
    "libllama-common.dylib",
  ]);
  t.deepEqual(files("win32-x64"), ["ggml-base.dll", "ggml.v0.5.0.dll", "llama.v0.5.0.dll", "llama-common.dll"]);
});

test("other platforms are unsupported", (t) => {
  for (const name of ["linux-riscv64", "freebsd-x64", "aix-ppc64", "android-arm64", "win32-ia32"])
    t.is(supportedPlatform(name), undefined, name);
});

test("musl is told by its dynamic linker", (t) => {
  t.true(usesMusl(["/usr/bin/node", "/lib/ld-musl-x86_64.so.1"]));
  t.false(usesMusl(["/usr/bin/node", "/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6"]));
});
