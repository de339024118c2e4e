/** Names each tool of the build that is missing, with the command that installs it. */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";

const MINIMUM_CMAKE = [3, 18];

const onWindows = process.platform === "win32";

/** Debian and Ubuntu, Fedora, macOS, Windows. */
const commands = {
  cmake: ["apt-get install cmake", "dnf install cmake", "brew install cmake", "winget install Kitware.CMake"],
  compiler: [
    "apt-get install g++",
    "dnf install gcc-c++",
    "xcode-select --install",
    'winget install Microsoft.VisualStudio.2022.BuildTools, with the workload "Desktop development with C++"',
  ],
  git: ["apt-get install git", "dnf install git", "xcode-select --install", "winget install Git.Git"],
  make: ["apt-get install make", "dnf install make", "xcode-select --install", "winget install Ninja-build.Ninja"],
};

function inPath(program) {
  const endings = onWindows ? [".exe", ".cmd", ".bat"] : [""];
  return (process.env.PATH ?? "").split(delimiter).some((folder) =>
    endings.some((ending) => {
      try {
        accessSync(join(folder, program + ending), constants.X_OK);
        return folder !== "";
      } catch {
        return false;
      }
    }),
  );
}

function runs(program, ...args) {
  return spawnSync(program, args, { encoding: "utf8" }).status === 0;
}

/** The version of CMake, such as [3, 25], or undefined if there is none. */
function cmakeVersion() {
  const output = spawnSync("cmake", ["--version"], { encoding: "utf8" }).stdout ?? "";
  return /version (\d+)\.(\d+)/.exec(output)?.slice(1).map(Number);
}

function hasCompiler() {
  // A path, or a program with arguments such as "ccache g++".
  const chosen = process.env.CXX?.trim().split(/\s+/)[0];
  if (chosen) return existsSync(chosen) || inPath(chosen);
  if (onWindows) {
    const installer = join(
      process.env["ProgramFiles(x86)"] ?? "",
      "Microsoft Visual Studio",
      "Installer",
      "vswhere.exe",
    );
    return inPath("cl") || existsSync(installer);
  }
  // macOS has a c++ that only asks to install the real one.
  if (process.platform === "darwin") return runs("xcode-select", "-p");
  return ["c++", "g++", "clang++"].some(inPath);
}

function isOlder(version, minimum) {
  return version[0] < minimum[0] || (version[0] === minimum[0] && version[1] < minimum[1]);
}

/** A message that names everything that is missing, or undefined if nothing is. */
export function missingTools() {
  const missing = [];
  const version = cmakeVersion();
  if (version === undefined) missing.push(["CMake", commands.cmake]);
  else if (isOlder(version, MINIMUM_CMAKE))
    missing.push([`CMake ${MINIMUM_CMAKE.join(".")} or later (this is ${version.join(".")})`, commands.cmake]);
  if (!hasCompiler()) missing.push(["a C++17 compiler", commands.compiler]);
  if (!inPath("git")) missing.push(["git", commands.git]);
  // Visual Studio brings its own.
  if (!onWindows && !inPath("make") && !inPath("ninja")) missing.push(["make or ninja", commands.make]);
  if (missing.length === 0) return undefined;

  const lines = missing.map(
    ([name, [debian, fedora, mac, windows]]) =>
      `${name}\n    Debian, Ubuntu: ${debian}\n    Fedora:         ${fedora}\n    macOS:          ${mac}\n    Windows:        ${windows}`,
  );
  return `the native part must be built here, and these are missing:\n\n  ${lines.join("\n\n  ")}`;
}
