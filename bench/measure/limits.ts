/** What the machine can do at most. */

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Bench } from "./measurement.js";

export interface MachineLimits {
  /** Additions and multiplications of bytes; 0: not known for this processor. */
  readonly operationsPerSecond: number;
  readonly readBytesPerSecond: number;
}

export async function measureLimits({ nativeLimits, threads }: Bench): Promise<MachineLimits> {
  const { stdout } = await promisify(execFile)(nativeLimits.program, [String(threads)]);
  const [operationsPerSecond = 0, readBytesPerSecond = 0] = stdout.trim().split(" ").map(Number);
  return { operationsPerSecond, readBytesPerSecond };
}
