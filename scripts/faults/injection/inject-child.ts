/**
 * Does operations while calls fail, one after the other, as it is told; after each the same without failures, which must give
 * what it gave the first time. Takes the folder of sound files, a folder to write into, and the plan's file.
 */

import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { OverfillError } from "../../../lib/index.js";
import { soundFiles } from "../mutants/sound-files.js";
import type { InjectionOutcome, InjectionRequest } from "./messages.js";
import { type Operation, operationNamed, type Prepared } from "./operations.js";
import { type FaultCount, type FaultPlan, PlanFile } from "./plan.js";

const [soundFolder = "", folder = "", planPath = ""] = process.argv.slice(2);
const files = soundFiles(soundFolder);
const planFile = new PlanFile(planPath);
const expected = new Map<string, string>();

async function unhindered({ run, told, clear }: Prepared): Promise<string> {
  try {
    await run();
    return await told();
  } finally {
    await clear();
  }
}

/** In full what an operation gives when nothing fails; also loads all code that it needs. */
async function firstTime(operation: Operation): Promise<string> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const told = await unhindered(await operation.prepare(files, folder));
  expected.set(operation.name, told);
  return told;
}

function checkLeftovers({ leaves }: Operation): void {
  const left = readdirSync(folder).filter((name) => !leaves.includes(name) && name !== "prefixes");
  if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
}

/** Where there is no memory for an error of the package's classes, one with the code alone will do. */
function codeOf(error: unknown): string | undefined {
  if (OverfillError.isInstance(error)) return error.code === "ERR_INTERNAL" ? undefined : error.code;
  const { code } = error as { readonly code?: unknown };
  return code === "ERR_OUT_OF_MEMORY" ? code : undefined;
}

async function hindered(operation: Operation, plan: FaultPlan): Promise<FaultCount & { code?: string }> {
  const prepared = await operation.prepare(files, folder);
  let code: string | undefined;
  let count: FaultCount;
  try {
    planFile.arm(plan);
    try {
      await prepared.run();
    } catch (error) {
      code = codeOf(error);
      if (code === undefined) throw error;
    } finally {
      count = planFile.disarm();
    }
    if (code === undefined) {
      const told = await prepared.told();
      if (told !== expected.get(operation.name))
        throw new Error(`it did ${told} in place of ${expected.get(operation.name)}`);
    }
  } finally {
    await prepared.clear();
  }
  // Not before: a thread that writes is waited for when what it writes for is disposed.
  checkLeftovers(operation);
  return { ...count, ...(code !== undefined && { code }) };
}

async function outcomeOf({ operation: name, plan }: InjectionRequest): Promise<InjectionOutcome> {
  const operation = operationNamed(name);
  let count: FaultCount = { calls: 0, failed: 0 };
  try {
    if (!expected.has(name)) await firstTime(operation);
    const { code, ...counted } = await hindered(operation, plan);
    count = counted;
    const again = await unhindered(await operation.prepare(files, folder));
    checkLeftovers(operation);
    if (again !== expected.get(name)) throw new Error(`afterwards it did ${again} in place of ${expected.get(name)}`);
    return code === undefined ? { kind: "done", ...count } : { kind: "refused", code, ...count };
  } catch (error) {
    planFile.disarm();
    return { kind: "wrong", error: error instanceof Error ? (error.stack ?? error.message) : String(error), ...count };
  }
}

// A fault outside of any call is one, too; it is told with the answer to come.
let outside: string | undefined;
for (const event of ["uncaughtException", "unhandledRejection"] as const)
  process.on(event, (error: unknown) => {
    planFile.disarm();
    outside = `${event}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  });

process.on("message", async (request: InjectionRequest) => {
  const outcome = await outcomeOf(request);
  await new Promise((resolve) => setImmediate(resolve));
  const { calls, failed } = outcome;
  process.send?.(outside === undefined ? outcome : { kind: "wrong", error: outside, calls, failed });
  outside = undefined;
});
