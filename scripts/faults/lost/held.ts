/** What a process holds while nothing is asked of it. Linux. */

import { readdirSync, readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

export interface Held {
  readonly name: string;
  readonly pid: number;
  readonly descriptors: number;
  readonly threads: number;
  /** Of JavaScript, with what lies outside of V8's heap, after a collection. */
  readonly heapBytes: number;
  readonly residentBytes: number;
  /** Processes that it has started and that are left. */
  readonly children: number;
  /** What it has not ended: requests, tasks. 0 where all is done. */
  readonly busy: number;
  /** Of its pair. */
  readonly sessions: number;
}

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

function childrenOf(pid: number): number {
  return readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/status`, "utf8").includes(`PPid:\t${pid}\n`);
    } catch {
      return false;
    }
  }).length;
}

/** Of this process. */
export function heldHere(name: string, { busy, sessions }: Pick<Held, "busy" | "sessions">): Held {
  collect();
  const { rss, heapUsed, external } = process.memoryUsage();
  return {
    ...{ name, pid: process.pid, heapBytes: heapUsed + external, residentBytes: rss, busy, sessions },
    descriptors: readdirSync("/proc/self/fd").length,
    threads: readdirSync("/proc/self/task").length,
    children: childrenOf(process.pid),
  };
}

/** A connection that is kept for the next question is not left behind. */
const spare = { descriptors: 2, threads: 1, heapBytes: 6 * 2 ** 20 };

/** What a process holds more than before, in words; undefined where it is nothing. */
export function leftBehind(before: Held | undefined, after: Held): string | undefined {
  if (after.busy > 0) return `${after.name} is still busy with ${after.busy}`;
  if (!before || before.pid !== after.pid) return undefined;
  if (after.sessions > before.sessions) return `${after.name} has ${after.sessions} sessions after ${before.sessions}`;
  if (after.children > before.children) return `${after.name} has ${after.children} processes after ${before.children}`;
  const name = (["descriptors", "threads", "heapBytes"] as const).find(
    (what) => after[what] > before[what] + spare[what],
  );
  return name && `${after.name}: ${name} ${after[name]} after ${before[name]}`;
}
