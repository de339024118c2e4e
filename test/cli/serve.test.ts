/** `overfill serve` as a process: what it says, how it is reached, how it stops. */

import type { ChildProcess } from "node:child_process";
import { on } from "node:events";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { hostsOf } from "../host/fixtures.js";
import { endless, greeting, user, writeModel } from "../server/fixtures.js";
import { runCommand, startCommand } from "./command-process.js";

const chatml = ["--template", "chatml"];

/** Starts it on a free port, and waits until it listens. */
async function listening(t: ExecutionContext, args: readonly string[], env: Record<string, string> = {}) {
  const child = startCommand(["serve", "--port", "0", "--no-progress", ...args], { env });
  t.teardown(() => child.kill("SIGKILL"));
  let told = "";
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  child.stdout?.resume();
  const url = await untilUrl(child, (text) => {
    told += text;
  });
  child.stderr?.on("data", (data) => {
    told += data;
  });
  return { child, url, ended, stderr: () => told };
}

async function untilUrl(child: ChildProcess, add: (text: string) => void): Promise<string> {
  let text = "";
  for await (const [data] of on(child.stderr as NonNullable<typeof child.stderr>, "data", { close: ["end"] })) {
    text += data;
    add(String(data));
    const [, url] = /listening on (\S+)/.exec(text) ?? [];
    if (url) return url;
  }
  throw new Error(`it never listened: ${text}`);
}

interface Answer {
  readonly choices: readonly { readonly message: { readonly content: string } }[];
}

const post = (url: string, body: object, headers: Record<string, string> = {}) =>
  fetch(`${url}/v1/chat/completions`, { method: "POST", body: JSON.stringify(body), headers });

test("it serves two models, tells of requests without their words, and stops at SIGTERM", async (t) => {
  const model = await writeModel(t, "full");
  const { child, url, ended, stderr } = await listening(t, [
    "--prefill",
    model,
    "--decode",
    model,
    "--temp",
    "0",
    "--threads",
    "1",
    "--alias",
    "s",
  ]);
  t.regex(url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const models = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string; aliases: string[] }[] };
  t.deepEqual(
    models.data.map(({ id, aliases }) => [id, aliases]),
    [["full", ["s"]]],
  );
  const { choices } = (await (await post(url, { messages: user(greeting), model: "s" })).json()) as {
    choices: { message: { content: string } }[];
  };
  t.is(choices[0]?.message.content, "Good day.");
  child.kill("SIGTERM");
  t.is(await ended, 0);
  t.regex(stderr(), /POST \/v1\/chat\/completions 200 \d+ ms full req_/);
  t.false(stderr().includes(greeting));
});

const linuxTest = process.platform === "linux" ? test : test.skip;

linuxTest("with --host-process, the end of the model's process is not the end of the server", async (t) => {
  const flags = ["--prefill", await writeModel(t, "full"), "--temp", "0", "--threads", "1", "--host-process"];
  const { child, url, ended } = await listening(t, flags);
  const said = { messages: user(greeting) };
  const first = (await (await post(url, said)).json()) as Answer;
  t.is(first.choices[0]?.message.content, "Good day.");
  const [host = 0] = hostsOf(child.pid ?? 0);
  process.kill(host, "SIGKILL");
  // Only who asks before the server knows is told of it.
  let answer = await post(url, said);
  while (answer.status === 503) answer = await post(url, said);
  t.is(((await answer.json()) as Answer).choices[0]?.message.content, "Good day.");
  child.kill("SIGTERM");
  t.is(await ended, 0);
});

test("at SIGTERM a running answer may end within the grace, and is aborted after it", async (t) => {
  const model = await writeModel(t);
  const flags = ["--prefill", model, "--temp", "0", "--threads", "1"];
  const patient = await listening(t, [...flags, "--grace", "30"]);
  const answer = await post(patient.url, { messages: user(endless), max_tokens: 300, stream: true });
  patient.child.kill("SIGTERM");
  t.true((await answer.text()).endsWith("data: [DONE]\n\n"));
  t.is(await patient.ended, 0);
  const long = await writeModel(t, "long", 65_536);
  const hasty = await listening(t, [
    ...["--prefill", long, "--temp", "0", "--threads", "1", "--context", "65536", "--grace", "0.1"],
  ]);
  const cut = await post(hasty.url, { messages: user(endless), stream: true });
  hasty.child.kill("SIGTERM");
  t.regex(await cut.text(), /"code":"stopping"/);
  t.is(await hasty.ended, 0);
});

test("a configuration file and flags go together: keys add up, and what is for a single model is refused", async (t) => {
  const model = await writeModel(t);
  const folder = dirname(model);
  const config = join(folder, "overfill.config.json");
  writeFileSync(join(folder, "keys.txt"), "key-of-the-config\n");
  const models = { small: { prefill: "model.gguf", threads: 1 } };
  writeFileSync(config, JSON.stringify({ models, keysFile: "keys.txt", page: false }));
  const { url, child, ended, stderr } = await listening(t, ["--config", config], {
    OVERFILL_API_KEYS: "key-of-environment",
  });
  t.regex(stderr(), /with a key/);
  const statusWith = async (key: string) => {
    const response = await post(url, { messages: user(greeting), max_tokens: 1 }, { authorization: `Bearer ${key}` });
    await response.text();
    return response.status;
  };
  t.deepEqual(
    await Promise.all(["key-of-the-config", "key-of-environment", "wrong-key"].map(statusWith)),
    [200, 200, 401],
  );
  t.is((await fetch(url)).status, 404);
  child.kill("SIGTERM");
  t.is(await ended, 0);
  for (const flags of [["--temp", "1"], ["--alias", "s"], ["--max-sessions", "2"], ["--decode", model], ["--mmap"]]) {
    const { exitCode, stderr: told } = await runCommand(["serve", "--config", config, ...flags]);
    t.deepEqual([exitCode, told.includes(flags[0] as string)], [2, true], told);
  }
});

test("keys come from the environment and from a file, and others are refused", async (t) => {
  const model = await writeModel(t);
  const file = join(dirname(model), "keys.txt");
  writeFileSync(file, "key-of-the-file\n");
  const flags = ["--prefill", model, "--api-key-file", file, "--threads", "1", "--log-format", "json"];
  const { url, child, ended } = await listening(t, flags, { OVERFILL_API_KEYS: "key-of-environment" });
  const statusWith = async (key: string) => {
    const response = await post(url, { messages: user(greeting), max_tokens: 1 }, { authorization: `Bearer ${key}` });
    await response.text();
    return response.status;
  };
  t.deepEqual(
    await Promise.all(["key-of-the-file", "key-of-environment", "wrong-key"].map(statusWith)),
    [200, 200, 401],
  );
  child.kill("SIGINT");
  t.is(await ended, 0);
});

test("without a model it serves the demo pair, and says what that is", async (t) => {
  const { url, stderr } = await listening(t, []);
  t.regex(stderr(), /^overfill: without --prefill the demo pair answers, /);
  t.is((await fetch(`${url}/health`)).status, 200);
});

test("a port in use is told before a model is loaded", async (t) => {
  const { url, stderr: told } = await listening(t, ["--prefill", await writeModel(t), "--threads", "1"]);
  t.notRegex(told(), /demo pair/);
  const { port } = new URL(url);
  const { exitCode, stderr } = await runCommand(["serve", "--prefill", "/nowhere.gguf", "--port", port]);
  const reason = `127.0.0.1:${port} is in use already: choose another port, or 0 for one that is free`;
  t.deepEqual([exitCode, stderr], [2, `overfill: --port: ${reason} (ERR_INVALID_ARGUMENT)\n`]);
});

test("what makes no sense is told at once", async (t) => {
  const open = await runCommand(["serve", "--host", "0.0.0.0", "--port", "0", ...chatml]);
  t.is(open.exitCode, 2);
  t.regex(open.stderr, /keys/);
  // Before a model is loaded, which is not there.
  const unloaded = await runCommand(["serve", "--prefill", "/nowhere.gguf", "--host", "0.0.0.0", "--port", "0"]);
  t.deepEqual([unloaded.exitCode, /keys/.test(unloaded.stderr)], [2, true], unloaded.stderr);
  const wild = await runCommand(["serve", "--prefill", "/nowhere.gguf", "--temp", "-1"]);
  t.deepEqual([wild.exitCode, wild.stderr.includes("--temp")], [2, true], wild.stderr);
  const both = await runCommand(["serve", "--config", "x.json", "--prefill", "x.gguf"]);
  t.deepEqual([both.exitCode, both.stderr.includes("--config")], [2, true]);
  const one = await runCommand(["serve", "--models-max", "1"]);
  t.deepEqual([one.exitCode, one.stderr.includes("--config")], [2, true]);
  const gone = await runCommand(["serve", "--config", "x.json"]);
  t.is(gone.exitCode, 1);
  t.regex(gone.stderr, /ERR_FILE_READ_FAILED/);
});
