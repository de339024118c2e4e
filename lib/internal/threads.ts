/**
 * How many cores this process may really use. More threads than that make ggml's threads wait for each other: four on two
 * cores decode at a fiftieth of the speed of two.
 */

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** The number of threads chosen, and what limits it. */
export interface ThreadChoice {
  readonly threads: number;
  /** Cores that the affinity mask allows. */
  readonly affinityCores: number;
  /** Cores that the cgroup's CPU quota allows; `undefined` without a quota. */
  readonly quotaCores: number | undefined;
  readonly reason: string;
}

type ReadText = (path: string) => string | undefined;

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // The file is not there on other systems and in other containers: then there is no such quota.
    return undefined;
  }
}

/** "max 100000" or "150000 100000": quota and period in microseconds. */
function coresOfV2(text: string | undefined): number | undefined {
  const [quota, period] = (text ?? "").trim().split(/\s+/).map(Number);
  return quota && period && Number.isFinite(quota) && quota > 0 ? quota / period : undefined;
}

function coresOfV1(quota: string | undefined, period: string | undefined): number | undefined {
  const cores = Number(quota) / Number(period);
  return Number.isFinite(cores) && cores > 0 ? cores : undefined;
}

/** All folders from the process's own cgroup up to the root: each may hold a quota, and the smallest counts. */
function folders(root: string, path: string): string[] {
  const parts = path.split("/").filter(Boolean);
  return Array.from({ length: parts.length + 1 }, (_, i) => [root, ...parts.slice(0, parts.length - i)].join("/"));
}

/** `5:cpu,cpuacct:/docker/abc`; the path may hold colons of its own. */
const cgroupLine = /^\d+:([^:]*):(\/.*)$/;

/**
 * The CPU quota of the process's cgroup in cores, over both cgroup versions and systems that mount both. A path that is
 * not below the mounts, as a host's path seen in a container, counts with the folders on its way that are.
 */
export function cgroupQuota(read: ReadText = readText): number | undefined {
  const quotas: number[] = [];
  for (const line of (read("/proc/self/cgroup") ?? "").split("\n")) {
    const [, controllers, path] = cgroupLine.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    if (controllers === "") {
      // Systems that mount both versions have the second in a folder of its own.
      for (const root of ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"])
        for (const folder of folders(root, path)) quotas.push(coresOfV2(read(`${folder}/cpu.max`)) ?? Infinity);
    } else if (controllers.split(",").includes("cpu")) {
      // Mounted under all its controllers' names; "cpu" is a link to that, and not there everywhere.
      for (const root of new Set(["/sys/fs/cgroup/cpu", `/sys/fs/cgroup/${controllers}`]))
        for (const folder of folders(root, path))
          quotas.push(coresOfV1(read(`${folder}/cpu.cfs_quota_us`), read(`${folder}/cpu.cfs_period_us`)) ?? Infinity);
    }
  }
  const smallest = Math.min(...quotas);
  return Number.isFinite(smallest) ? smallest : undefined;
}

/** Chooses the default number of threads: never more than affinity and quota allow, never less than one. */
export function chooseThreads(
  cores: number = availableParallelism(),
  quota: number | undefined = cgroupQuota(),
): ThreadChoice {
  const limited = quota !== undefined && quota < cores;
  const threads = Math.max(1, limited ? Math.floor(quota) : cores);
  return {
    threads,
    affinityCores: cores,
    quotaCores: quota,
    reason: limited ? `the cgroup allows ${quota} of ${cores} cores` : `${cores} cores are available to this process`,
  };
}

const weightBytesPerThread = 4 * 2 ** 20;

/**
 * The default for models of this size. ggml's threads wait for each other after every operation; where an operation is
 * only a few microseconds of work, a second thread gains little on an idle machine and costs a hundredfold on a busy one,
 * whenever the system lets one of the threads wait.
 */
export function threadsForWeights(threads: number, weightBytes: number): number {
  return Math.max(1, Math.min(threads, Math.ceil(weightBytes / weightBytesPerThread)));
}
