/** The end of an app: its hosts go with it, however it ends. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test, { type ExecutionContext } from "ava";
import { isAlive } from "./fixtures.js";

async function startApp(t: ExecutionContext, how: string): Promise<{ app: ChildProcess; host: number }> {
  const app = spawn(process.execPath, [join(import.meta.dirname, "children", "app.mjs"), how], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  t.teardown(() => app.kill("SIGKILL"));
  const [line] = await once(createInterface(app.stdout), "line");
  return { app, host: Number(line) };
}

/** Processes of Node that start and end one after the other in a second and a half, on a machine that has nothing else to do. */
const starts = 40;

/**
 * Whether the process ends in the time in which so many others start and end: there is no event for the end of somebody else's
 * child, and a second says nothing on a busy machine.
 */
async function ends(pid: number): Promise<boolean> {
  for (let i = 0; i < starts && isAlive(pid); i++) await once(spawn(process.execPath, ["--eval", ""]), "exit");
  return !isAlive(pid);
}

for (const how of ["idle", "busy"])
  test(`a host that is ${how} ends when its app was killed`, async (t) => {
    const { app, host } = await startApp(t, how);
    t.true(isAlive(host));
    app.kill("SIGKILL");
    t.true(await ends(host));
  });

test("an app that has nothing more to do ends by itself, and its host with it", async (t) => {
  const { app, host } = await startApp(t, "end");
  const [code] = await once(app, "exit");
  t.is(code, 0);
  t.true(await ends(host));
});
