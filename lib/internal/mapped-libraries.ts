/** The shared libraries that are in this process already, and whether one of them stands in the way. */
import { readFileSync, realpathSync } from "node:fs";
import { basename } from "node:path";

/**
 * Paths of all shared libraries in the process.
 *
 * Linux tells in /proc/self/maps. A diagnostic report tells it everywhere, but waits for every worker thread to answer,
 * and a worker that waits for this very thread never does; so it is used only where there is nothing else.
 */
export function mappedLibraries(): string[] {
  if (process.platform === "linux") {
    const paths = new Set<string>();
    for (const line of readFileSync("/proc/self/maps", "utf8").split("\n")) {
      // address, permissions, offset, device, inode, path
      const path = /^\S+ \S+ \S+ \S+ [1-9]\d* +(\/.*)$/.exec(line)?.[1];
      if (path !== undefined) paths.add(path);
    }
    return [...paths];
  }
  const report = process.report as (NodeJS.ProcessReport & { excludeNetwork?: boolean }) | undefined;
  if (report === undefined) return [];
  // Looking up the names of open connections can take seconds.
  const excludeNetwork = report.excludeNetwork;
  report.excludeNetwork = true;
  try {
    const content = report.getReport() as { readonly sharedObjects?: readonly string[] };
    return [...(content.sharedObjects ?? [])];
  } finally {
    if (excludeNetwork !== undefined) report.excludeNetwork = excludeNetwork;
  }
}

/** Whether the C library is musl, for which llama.cpp's libraries are not built. */
export function usesMusl(mapped: readonly string[]): boolean {
  return mapped.some((path) => basename(path).startsWith("ld-musl-"));
}

/** How a library that is to be loaded stands to what is in the process. */
export type MappedState =
  /** Not there: load it. */
  | { readonly state: "absent" }
  /** The same file or an equal one is there, and dependent libraries will use it. */
  | { readonly state: "same"; readonly path: string }
  /** A different file of that name is there. Dependent libraries would be bound to it and break. */
  | { readonly state: "conflict"; readonly path: string };

/** Compares by content: node-llama-cpp's packages for CPU, CUDA and Vulkan bring equal copies of some libraries. */
export function mappedState(path: string, mapped: readonly string[]): MappedState {
  const name = basename(path);
  const own = realpathSync(path);
  let same: string | undefined;
  for (const other of mapped) {
    // An installer may have replaced or removed the file under a running process.
    const file = other.replace(/ \(deleted\)$/, "");
    if (basename(file) !== name) continue;
    if (file === other && isSameContent(own, file)) same ??= other;
    else return { state: "conflict", path: other };
  }
  return same === undefined ? { state: "absent" } : { state: "same", path: same };
}

function isSameContent(own: string, other: string): boolean {
  try {
    return realpathSync(other) === own || readFileSync(other).equals(readFileSync(own));
  } catch {
    return false;
  }
}
