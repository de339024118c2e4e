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

/** There is no event for the end of somebody else's child. */
async function gone(pid: number): Promise<void> {
  while (isAlive(pid))
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
}

for (const how of ["idle", "busy"])
  test(`a host that is ${how} ends when its app was killed`, async (t) => {
    const { app, host } = await startApp(t, how);
    t.true(isAlive(host));
    app.kill("SIGKILL");
    await gone(host);
    t.false(isAlive(host));
  });

test("an app that has nothing more to do ends by itself, and its host with it", async (t) => {
  const { app, host } = await startApp(t, "end");
  const [code] = await once(app, "exit");
  t.is(code, 0);
  await gone(host);
});
