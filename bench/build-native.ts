/** The benchmark's native programs, each built by a process of its own on first use. */

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { NativeProgram } from "./contestants/contestant.js";

export function buildNative(name: string): NativeProgram {
  const program = fileURLToPath(new URL("./build-program.mjs", import.meta.url));
  const built = spawnSync(process.execPath, [program, name], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (built.status !== 0) throw new Error(`${name} was not built`);
  return JSON.parse(built.stdout) as NativeProgram;
}
