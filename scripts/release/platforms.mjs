/** The platforms that addons are made for: what Node calls them, and the package that an addon is published in. */

/** By Node's name, in the order of the release's list. `runner`s are in .github/workflows/release.yml. */
export const platforms = {
  "linux-x64": { packageName: "@overfill/linux-x64", libraries: "@node-llama-cpp/linux-x64", libc: "glibc" },
  "linux-arm64": { packageName: "@overfill/linux-arm64", libraries: "@node-llama-cpp/linux-arm64", libc: "glibc" },
  "darwin-arm64": { packageName: "@overfill/mac-arm64", libraries: "@node-llama-cpp/mac-arm64-metal" },
  "darwin-x64": { packageName: "@overfill/mac-x64", libraries: "@node-llama-cpp/mac-x64" },
  "win32-x64": { packageName: "@overfill/win-x64", libraries: "@node-llama-cpp/win-x64" },
  "win32-arm64": { packageName: "@overfill/win-arm64", libraries: "@node-llama-cpp/win-arm64" },
};

/** What Node calls the platform that this runs on. */
export const thisPlatform = `${process.platform}-${process.arch}`;
