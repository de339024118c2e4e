/** One of the benchmark's native programs: it writes a line when it is ready, then answers each line with one. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export interface LineProcess {
  readonly pid: number;
  /** What it wrote when it was ready. */
  readonly greeting: string;
  ask(line: string): Promise<string>;
  close(): Promise<void>;
}

export async function startLineProcess(program: string, args: readonly string[]): Promise<LineProcess> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${program} has ended`);
    return value;
  };
  return {
    greeting: await answer(),
    pid: child.pid ?? process.pid,
    ask(line) {
      child.stdin.write(`${line}\n`);
      return answer();
    },
    async close() {
      const exit = once(child, "exit");
      child.stdin.end();
      await exit;
    },
  };
}
