/**
 * Does every operation under every kind of failing call: once to count the calls, and then with the first of them failing,
 * the second, and so on; where there are too many, with some of them, drawn anew with every seed.
 */

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { mulberry32, namedSeed } from "../../../test/support/random.js";
import { type Loss, WatchedProcess } from "../watched-process.js";
import type { InjectionOutcome, InjectionRequest } from "./messages.js";
import type { Operation } from "./operations.js";
import { type FaultPlan, makePlanFile } from "./plan.js";

/** A way in which the system fails, without the number of the call. */
export interface Failure {
  readonly name: string;
  readonly plan: Omit<FaultPlan, "nth">;
  /** It fails from time to time by itself, or everywhere: a few rounds of it are all. */
  readonly rounds?: number;
}

export const failures: readonly Failure[] = [
  { name: "memory", plan: { kind: "allocation", error: "ENOMEM" } },
  { name: "memory-from-then-on", plan: { kind: "allocation", error: "ENOMEM", leastBytes: 4096, sticky: true } },
  { name: "large-memory", plan: { kind: "allocation", error: "ENOMEM", leastBytes: 65_536, withLlama: true } },
  { name: "write", plan: { kind: "write", error: "EIO" } },
  { name: "disk-full", plan: { kind: "disk-full", error: "ENOSPC" } },
  { name: "sync", plan: { kind: "sync", error: "EIO" } },
  { name: "rename", plan: { kind: "rename", error: "EDQUOT" } },
  { name: "open", plan: { kind: "open", error: "EMFILE" } },
  { name: "read", plan: { kind: "read", error: "EIO", withLlama: true } },
  { name: "thread", plan: { kind: "thread", error: "EIO" } },
  { name: "clock-forward", plan: { kind: "clock-jump", jumpMs: 86_400_000 } },
  { name: "clock-back", plan: { kind: "clock-jump", jumpMs: -86_400_000 } },
  { name: "interruption", plan: { kind: "interruption" }, rounds: 3 },
];

export interface InjectionFinding {
  readonly operation: string;
  readonly failure: string;
  readonly nth: number;
  readonly outcome: "wrong" | "died" | "hung";
  readonly error: string;
}

export interface InjectionCount {
  readonly operation: string;
  readonly failure: string;
  /** Calls, or bytes, that can fail. */
  calls: number;
  runs: number;
  done: number;
  readonly refused: Record<string, number>;
  /** Ends of the process in llama.cpp's or the C library's own code, which takes for granted that it has the memory. */
  beyond: number;
  findings: number;
}

export interface InjectionReport {
  readonly seed: number;
  readonly counts: readonly InjectionCount[];
  readonly findings: readonly InjectionFinding[];
}

export interface InjectionRun {
  readonly operations: readonly Operation[];
  readonly failures: readonly Failure[];
  readonly seed: number;
  /** The one call that is to fail. */
  readonly nth?: number;
  /** Of each operation and failure. */
  readonly most: number;
  readonly until: number;
  readonly jobs: number;
  readonly soundFolder: string;
  readonly workFolder: string;
  readonly onFinding?: (finding: InjectionFinding) => void;
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const limits = { hangMs: 60_000, memoryBytes: 8 * 2 ** 30 };
const never = 2 ** 52;

/** Compiles the library that makes calls fail. Throws if there is no C compiler. */
export function buildShim(folder: string): string {
  const out = join(folder, "faults-shim.so");
  execFileSync(process.env.CC ?? "cc", ["-O2", "-shared", "-fPIC", "-o", out, here("./shim.c"), "-ldl", "-lpthread"]);
  return out;
}

/** Of `calls` calls those that are to fail: all, or so many of them, at random in equal stretches. */
function chosenCalls(calls: number, most: number, seed: number): number[] {
  if (calls <= most) return Array.from({ length: calls }, (_, i) => i + 1);
  const random = mulberry32(seed);
  return Array.from({ length: most }, (_, i) => 1 + Math.floor(((i + random()) * calls) / most));
}

type Fault = Extract<InjectionOutcome | Loss, { error: string }>;

/** Whether a process came to its end in llama.cpp's libraries, by the calls that shim.c has told, or in the C library. */
function isBeyond(told: string, { withLlama }: Failure["plan"]): boolean {
  if (told.includes("Fatal glibc error")) return true;
  if (!withLlama) return false;
  const libraries = [...told.matchAll(/^\/\S*\/([^/\s(]+)\(/gm)].map(([, name = ""]) => name);
  return /^lib(llama|ggml)/.test(libraries.find((name) => !/^(faults-shim|lib(c|stdc\+\+|gcc_s))\./.test(name)) ?? "");
}

async function runPart(
  run: InjectionRun,
  failing: WatchedProcess<InjectionRequest, InjectionOutcome>,
  [operation, failure]: readonly [Operation, Failure],
  findings: InjectionFinding[],
): Promise<InjectionCount> {
  const count: InjectionCount = {
    ...{
      operation: operation.name,
      failure: failure.name,
      calls: 0,
      runs: 0,
      done: 0,
      refused: {},
      beyond: 0,
      findings: 0,
    },
  };
  const add = (nth: number, { kind, error }: Fault) => {
    const finding = { operation: operation.name, failure: failure.name, nth, outcome: kind, error };
    count.findings++;
    findings.push(finding);
    run.onFinding?.(finding);
  };
  const once = async (nth: number) => {
    const outcome = await failing.ask({ operation: operation.name, plan: { ...failure.plan, nth } });
    if (!("error" in outcome)) return outcome;
    if (outcome.kind === "died" && isBeyond(outcome.error, failure.plan)) count.beyond++;
    else add(nth, outcome);
    return outcome;
  };
  const all = await once(never);
  if ("error" in all) return count;
  count.calls = all.calls;
  const seed = namedSeed(run.seed, `${operation.name} ${failure.name}`);
  const chosen =
    failure.rounds === undefined
      ? chosenCalls(all.calls, run.most, seed)
      : Array.from({ length: failure.rounds }, () => 1);
  for (const nth of run.nth === undefined ? chosen : [run.nth]) {
    if (Date.now() > run.until) break;
    const outcome = await once(nth);
    count.runs++;
    if (outcome.kind === "done") count.done++;
    if (outcome.kind === "refused") count.refused[outcome.code] = (count.refused[outcome.code] ?? 0) + 1;
  }
  return count;
}

/** Runs. Throws what cannot be a failing system's fault. */
export async function runInjection(run: InjectionRun): Promise<InjectionReport> {
  const shim = buildShim(run.workFolder);
  const parts = run.operations.flatMap((operation) => run.failures.map((failure) => [operation, failure] as const));
  const findings: InjectionFinding[] = [];
  const counts: InjectionCount[] = [];
  let next = 0;
  const work = async (job: number) => {
    const planPath = join(run.workFolder, `plan-${job}`);
    const failing = new WatchedProcess<InjectionRequest, InjectionOutcome>({
      path: here("./inject-child.ts"),
      args: [run.soundFolder, join(run.workFolder, `injected-${job}`), planPath],
      env: { LD_PRELOAD: shim, OVERFILL_FAULTS: planPath },
      // A process that died may have left it at work.
      onStart: () => makePlanFile(planPath),
      ...limits,
    });
    try {
      for (let part = parts[next++]; part; part = parts[next++])
        counts.push(await runPart(run, failing, part, findings));
    } finally {
      await failing.close();
    }
  };
  await Promise.all(Array.from({ length: run.jobs }, (_, job) => work(job)));
  const order = (count: InjectionCount) =>
    parts.findIndex(([{ name }, failure]) => name === count.operation && failure.name === count.failure);
  counts.sort((a, b) => order(a) - order(b));
  return { seed: run.seed, counts, findings };
}
