/** The plan of the failing system (shim.c), in the file that both processes have mapped. */

import { closeSync, openSync, readSync, writeFileSync, writeSync } from "node:fs";
import { constants } from "node:os";

/** In the order of shim.c. */
const kinds = [
  ...[
    "none",
    "allocation",
    "write",
    "rename",
    "sync",
    "read",
    "open",
    "thread",
    "disk-full",
    "clock-jump",
    "interruption",
  ],
] as const;
export type FaultKind =
  | "allocation"
  | "write"
  | "rename"
  | "sync"
  | "read"
  | "open"
  | "thread"
  | "disk-full"
  | "clock-jump"
  | "interruption";

export interface FaultPlan {
  readonly kind: FaultKind;
  /** The call that fails, from 1; of a full disk, the byte. */
  readonly nth: number;
  /** Of an allocation that counts. @default 0 */
  readonly leastBytes?: number;
  /** Whether llama.cpp's own calls count as well as the addon's. @default false */
  readonly withLlama?: boolean;
  /** Whether all calls from the nth on fail. @default false */
  readonly sticky?: boolean;
  /** @default "EIO" */
  readonly error?: "EIO" | "ENOSPC" | "ENOMEM" | "EMFILE" | "EDQUOT";
  readonly jumpMs?: number;
}

const fields = 9;

/** Of the calls, or bytes, that counted under a plan. */
export interface FaultCount {
  readonly calls: number;
  readonly failed: number;
}

/** Makes the file. */
export const makePlanFile = (path: string): void => writeFileSync(path, new Uint8Array(8 * fields));

export class PlanFile {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, "r+");
  }

  /** From now on calls count, and fail as the plan says. */
  arm(plan: FaultPlan): void {
    const values = [
      plan.nth,
      plan.leastBytes ?? 0,
      plan.withLlama ? 1 : 0,
      plan.sticky ? 1 : 0,
      constants.errno[plan.error ?? "EIO"],
      (plan.jumpMs ?? 0) * 1e6,
      0,
      0,
    ];
    this.#write(1, values);
    this.#write(0, [kinds.indexOf(plan.kind)]);
  }

  /** All calls succeed again. */
  disarm(): FaultCount {
    this.#write(0, [0]);
    const bytes = Buffer.alloc(16);
    readSync(this.#file, bytes, 0, 16, 56);
    return { calls: Number(bytes.readBigUInt64LE(0)), failed: Number(bytes.readBigUInt64LE(8)) };
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(field: number, values: readonly number[]): void {
    const bytes = Buffer.alloc(8 * values.length);
    for (const [i, value] of values.entries()) bytes.writeBigInt64LE(BigInt(Math.round(value)), 8 * i);
    writeSync(this.#file, bytes, 0, bytes.length, 8 * field);
  }
}
