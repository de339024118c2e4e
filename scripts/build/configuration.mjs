/**
 * What to build, from the environment:
 *
 *   OVERFILL_LLAMA     prebuilt (default): link the platform package's libraries; source: build llama.cpp too
 *   OVERFILL_SANITIZE  address, undefined, thread, or a list of them with commas that the compiler takes; default none
 *   OVERFILL_CUDA      ON: build the CUDA translation library too, with the machine's nvcc; default OFF
 *   OVERFILL_LLAMA_DIR prebuilt libraries from this folder instead of the platform package's
 */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { extractLlamaSource } from "./llama-source.mjs";
import { fail, root } from "./package-root.mjs";
import { findPlatformLibraries } from "./platform-libraries.mjs";

const sanitizers = ["address", "undefined", "thread"];

/** Compile jobs at once: as many as this process may really use. */
export const jobs = availableParallelism();

/**
 * Reads the environment and makes ready what CMake needs.
 *
 * @returns the mode, llama.cpp's version, CMake's definitions, and the tree's name: one for each mode and sanitizer
 */
export function readConfiguration() {
  const mode = process.env.OVERFILL_LLAMA || "prebuilt";
  if (mode !== "prebuilt" && mode !== "source") fail(`OVERFILL_LLAMA must be prebuilt or source, got '${mode}'`);
  const sanitize = process.env.OVERFILL_SANITIZE || "";
  if (sanitize !== "" && !sanitize.split(",").every((name) => sanitizers.includes(name)))
    fail(`OVERFILL_SANITIZE must be ${sanitizers.join(", ")} or a list of them, got '${sanitize}'`);

  const cuda = process.env.OVERFILL_CUDA || "OFF";
  if (cuda !== "ON" && cuda !== "OFF") fail(`OVERFILL_CUDA must be ON or OFF, got '${cuda}'`);

  const { directory, version } = extractLlamaSource();
  const definitions = {
    OVERFILL_LLAMA: mode,
    OVERFILL_LLAMA_SOURCE_DIR: directory,
    // Empty values matter: they take back what an earlier run has left in the cache.
    OVERFILL_LLAMA_LIBRARY_DIR: mode === "prebuilt" ? findPlatformLibraries() : "",
    OVERFILL_SANITIZE: sanitize,
    OVERFILL_CUDA: cuda,
  };
  return { mode, version, definitions, treeName: [mode, ...(sanitize === "" ? [] : sanitize.split(","))].join("-") };
}

/** The build tree `name` under build/. */
export function treeDirectory(name) {
  return join(root, "build", name);
}
