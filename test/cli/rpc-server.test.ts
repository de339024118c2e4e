/** `overfill rpc-server` and `rpc-key` as processes: what they refuse, what they say, how they stop. */

import type { ChildProcess } from "node:child_process";
import { on } from "node:events";
import { chmodSync, chownSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { probe } from "../../lib/remote/probe.js";
import { isAlive } from "../host/fixtures.js";
import { newKey } from "../remote/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";
import { runCommand, startCommand } from "./command-process.js";

interface Served {
  readonly child: ChildProcess;
  readonly url: string;
  readonly port: number;
  readonly ended: Promise<number | null>;
  stderr(): string;
}

/** Starts it on a free port of this machine, and waits until it listens. */
async function serving(t: ExecutionContext, args: readonly string[], host = "127.0.0.1"): Promise<Served> {
  const child = startCommand(["rpc-server", "--listen", `${host}:0`, "--gpu", "off", "--threads", "1", ...args]);
  t.teardown(() => child.kill("SIGKILL"));
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  let told = "";
  child.stdout?.resume();
  for await (const [data] of on(child.stderr as NonNullable<typeof child.stderr>, "data", { close: ["end"] })) {
    told += data;
    const [, url = "", port] = /at (rpcs?:\/\/\S+:(\d+))/.exec(told) ?? [];
    if (port === undefined) continue;
    child.stderr?.on("data", (more) => {
      told += more;
    });
    return { child, url, port: Number(port), ended, stderr: () => told };
  }
  throw new Error(`it never listened: ${told}`);
}

/** The process that serves. */
function childOf(pid: number | undefined): number | undefined {
  if (process.platform !== "linux") return undefined;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  return Number(children[0]);
}

test("it serves this machine alone, says where, and stops at SIGTERM with all that it started", async (t) => {
  const { child, url, port, ended } = await serving(t, []);
  t.is(url, `rpc://127.0.0.1:${port}`);
  t.is(await probe({ host: "127.0.0.1", port }, 20_000), 1);
  const server = childOf(child.pid);
  child.kill("SIGTERM");
  t.true([0, null].includes(await ended));
  if (server !== undefined) t.false(isAlive(server));
});

test("with a key it takes who has it", async (t) => {
  const { key, file } = newKey(t);
  const { url, port, stderr } = await serving(t, ["--key", file], "0.0.0.0");
  t.regex(url, /^rpcs:/);
  t.is(await probe({ host: "127.0.0.1", port, key }, 20_000), 1);
  const fault = await probe({ host: "127.0.0.1", port, key: newKey(t).key }, 20_000).catch((error) => error);
  t.is(fault.code, "REFUSED");
  t.false(/WARNING/.test(stderr()));
});

test("other machines without a key only by a loud word", async (t) => {
  const refused = await runCommand(["rpc-server", "--listen", "0.0.0.0:0"]);
  t.is(refused.exitCode, 2);
  t.regex(refused.stderr, /rpc-key/);
  const { stderr, port } = await serving(t, ["--insecure-listen"], "0.0.0.0");
  t.regex(stderr(), /WARNING: --insecure-listen/);
  t.is(await probe({ host: "127.0.0.1", port }, 20_000), 1);
});

test("signals that are for the whole group do not end the process that serves before its command", async (t) => {
  const { child, port, ended } = await serving(t, []);
  const server = childOf(child.pid);
  if (server === undefined) return t.pass("this system does not tell of children");
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.kill(server, signal);
  t.is(await probe({ host: "127.0.0.1", port }, 20_000), 1);
  t.is(childOf(child.pid), server);
  child.kill("SIGTERM");
  await ended;
  t.false(isAlive(server));
});

test("a server whose process ends goes on", async (t) => {
  const { child, port, stderr } = await serving(t, []);
  const server = childOf(child.pid);
  if (server === undefined) return t.pass("this system does not tell of children");
  process.kill(server, "SIGKILL");
  while (true) {
    const found = await probe({ host: "127.0.0.1", port }, 20_000).catch((fault) => fault.code as string);
    if (found === 1) break;
    t.true(found === "INCOMPATIBLE" || found === "UNREACHABLE", String(found));
  }
  t.regex(stderr(), /started again/);
});

for (const [title, args, exitCode, words] of [
  ["an address without a port", ["--listen", "127.0.0.1"], 2, /HOST:PORT/],
  ["a port out of range", ["--listen", "127.0.0.1:70000"], 2, /HOST:PORT/],
  ["a key and no protection", ["--insecure-listen", "--key", "a"], 2, /--insecure-listen/],
  ["no threads", ["--threads", "0"], 2, /--threads/],
  ["a key that is not there", ["--key", "/nowhere.key"], 1, /ERR_REMOTE_KEY_INVALID/],
] as const)
  test(`${title} is refused`, async (t) => {
    const result = await runCommand(["rpc-server", ...args]);
    t.is(result.exitCode, exitCode, result.stderr);
    t.regex(result.stderr, words);
  });

test("an address that is taken, and a folder that cannot be made, are told", async (t) => {
  const { port } = await serving(t, []);
  const taken = await runCommand(["rpc-server", "--listen", `127.0.0.1:${port}`, "--gpu", "off"]);
  t.is(taken.exitCode, 1);
  t.regex(taken.stderr, /EADDRINUSE.*ERR_REMOTE_UNREACHABLE/);
  const file = join(withTempDir(t), "file");
  writeFileSync(file, "");
  const closed = await runCommand(["rpc-server", "--cache", join(file, "cache")]);
  t.is(closed.exitCode, 1);
  t.regex(closed.stderr, /ERR_FILE_WRITE_FAILED/);
});

(process.geteuid === undefined ? test.skip : test)(
  "a cache that others may write to, or own, is refused",
  async (t) => {
    const folder = withTempDir(t);
    for (const mode of [0o770, 0o702]) {
      chmodSync(folder, mode);
      const { exitCode, stderr } = await runCommand(["rpc-server", "--cache", folder]);
      t.is(exitCode, 2);
      t.regex(stderr, /others may write/);
    }
    if (process.geteuid?.() !== 0) return;
    chmodSync(folder, 0o700);
    chownSync(folder, 65_534, 65_534);
    const { exitCode, stderr } = await runCommand(["rpc-server", "--cache", folder]);
    t.is(exitCode, 2);
    t.regex(stderr, /another user/);
  },
);

test("rpc-key makes a key once", async (t) => {
  const file = join(withTempDir(t), "new.key");
  const made = await runCommand(["rpc-key", "-o", file]);
  t.is(made.exitCode, 0, made.stderr);
  t.true(existsSync(file));
  t.false(made.stderr.includes(readFileSync(file, "utf8").trim().split(" ")[2] ?? "?"), "the secret stays in the file");
  const again = await runCommand(["rpc-key", "-o", file]);
  t.is(again.exitCode, 1);
  t.regex(again.stderr, /ERR_FILE_WRITE_FAILED/);
});

test("run reads on a server", async (t) => {
  const { key, file } = newKey(t);
  t.truthy(key);
  const { url } = await serving(t, ["--key", file]);
  const { stdout, stderr, exitCode } = await runCommand(["run", "--remote", url, "--remote-key", file, "--gpu", "off"]);
  t.is(exitCode, 0, stderr);
  t.regex(stdout, /3 gray lamps/);
  const alone = await runCommand(["run", "--remote-key", file]);
  t.is(alone.exitCode, 2);
  const bad = await runCommand(["run", "--remote", "nowhere"]);
  t.is(bad.exitCode, 2);
  t.regex(bad.stderr, /--remote: expected rpc:/);
});
