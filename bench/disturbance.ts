/**
 * Whether other programs used the processor meanwhile. Threads that wait for each other at every step of a model lose
 * ninety percent of their speed to a single busy neighbour, so a disturbed measurement is worth nothing and is repeated.
 * Told on Linux only; elsewhere nothing ever counts as disturbed.
 */

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** /proc counts in hundredths of a second. */
const tickMs = 10;
/** Of all cores' time. */
const tolerated = 0.04;
/** What the counting itself may be off by. */
const toleratedMs = 6 * tickMs;

const windowMs = 500;
const patienceMs = 180_000;
const attempts = 4;

interface Snapshot {
  readonly at: number;
  /** Of the whole machine, and what the hypervisor took. */
  readonly busyMs: number;
  readonly ownMs: number;
}

/** The numbers behind the first match of `intro`, up to the end of its line. */
function readNumbers(path: string, intro: RegExp): number[] {
  const [, rest = ""] = readFileSync(path, "utf8").split(intro, 2);
  return (rest.split("\n")[0] ?? "").trim().split(/\s+/).map(Number);
}

function snapshot(pids: readonly number[]): Snapshot {
  const at = performance.now();
  if (process.platform !== "linux") return { at, busyMs: 0, ownMs: 0 };
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = readNumbers("/proc/stat", /^cpu +/);
  // Behind the program's name in parentheses, user and system time are the twelfth and the thirteenth field.
  const own = [process.pid, ...pids].map((pid) => {
    const fields = readNumbers(`/proc/${pid}/stat`, /\) /);
    return (fields[11] ?? 0) + (fields[12] ?? 0);
  });
  const busy = user + nice + system + irq + softirq + steal;
  return { at, busyMs: busy * tickMs, ownMs: own.reduce((sum, ticks) => sum + ticks, 0) * tickMs };
}

function isDisturbed(before: Snapshot, after: Snapshot): boolean {
  const foreignMs = after.busyMs - before.busyMs - (after.ownMs - before.ownMs);
  return foreignMs > toleratedMs + tolerated * (after.at - before.at) * availableParallelism();
}

let tolerant = false;
let tell: (message: string) => void = () => {};

/** Who waits for a machine that is not quiet is told so: a measurement may wait for minutes before it has anything to show. */
export function tellOfDisturbance(log: (message: string) => void): void {
  tell = log;
}

/** From now on nothing is waited for or repeated, whatever else the machine does: for runs whose figures do not count. */
export function tolerateDisturbance(): void {
  tolerant = true;
}

/** Waits until other programs leave the machine alone, for three minutes at most. */
export async function waitForQuiet(pids: readonly number[] = []): Promise<void> {
  if (tolerant) return;
  let isTold = false;
  for (const begin = performance.now(); performance.now() - begin < patienceMs; ) {
    const before = snapshot(pids);
    await sleep(windowMs);
    if (!isDisturbed(before, snapshot(pids))) return;
    if (!isTold) tell(`other programs use the processor: waiting for them, for ${patienceMs / 60_000} minutes at most`);
    isTold = true;
  }
  tell("they still do: measuring in spite of them");
}

/** Measurements that were still disturbed when patience ended, since the start. */
export let disturbedMeasurements = 0;

/** Runs `work`, which the processes `pids` do, until it was not disturbed; the fourth time counts in any case. */
export async function undisturbed<Result>(pids: readonly number[], work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    const before = snapshot(pids);
    const result = await work();
    if (tolerant || !isDisturbed(before, snapshot(pids))) return result;
    if (attempt === attempts) {
      disturbedMeasurements++;
      return result;
    }
    tell(`other programs disturbed a measurement: once more (${attempt + 1} of ${attempts})`);
    await waitForQuiet(pids);
  }
}
