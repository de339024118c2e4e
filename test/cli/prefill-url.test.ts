/** The commands that answer let a server read: by flags, by a folder, and by a server's configuration. */

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test, { type ExecutionContext } from "ava";
import { addChatCommand } from "../../lib/cli/commands/chat/flags.js";
import { addRunCommand } from "../../lib/cli/commands/run/flags.js";
import { addServeCommand } from "../../lib/cli/commands/serve/flags.js";
import { UsageError } from "../../lib/cli/exit.js";
import { flagOfParameter } from "../../lib/cli/flags.js";
import { toLoadOptions, toSamplingOptions } from "../../lib/cli/pair-flags.js";
import { demoPair, demoPrompt, demoQuestions } from "../../lib/engine/demo-pair.js";
import { loadPair } from "../../lib/index.js";
import { serve } from "../../lib/server/index.js";
import { quiet } from "../engine/fixtures.js";
import { deadPort } from "../remote/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";
import { runCommand, startCommand } from "./command-process.js";
import { parseFlags } from "./parse-flags.js";

const [{ answer } = { answer: "" }] = demoQuestions;
const decode = String(demoPair.decode.model);
const key = "the-right-secret-key";

const service = "--prefill-url https://a.example --decode b.gguf".split(" ");

test("the flags are a server in the prefill model's place", async (t) => {
  const more = "--prefill-key-file k --prefill-name big --prefill-ca c.pem --prefill-insecure --context 512".split(" ");
  for (const add of [addRunCommand, addChatCommand, addServeCommand])
    t.deepEqual(toLoadOptions(await parseFlags(add as typeof addRunCommand, [...service, ...more]), demoPair), {
      prefill: { url: "https://a.example", keyFile: "k", model: "big", ca: "c.pem", insecure: true },
      decode: { model: "b.gguf" },
      contextSize: 512,
    });
  const flags = await parseFlags(addRunCommand, service);
  t.deepEqual(toLoadOptions(flags, demoPair).prefill, { url: "https://a.example" });
  t.deepEqual(toSamplingOptions(flags), {}, "the demo pair's greedy answers are not meant");
});

test("flags that contradict are told", async (t) => {
  const tell = async (...args: string[]) => {
    const flags = await parseFlags(addRunCommand, args);
    return t.throws(() => toLoadOptions(flags, demoPair), { instanceOf: UsageError })?.message ?? "";
  };
  for (const more of [
    ["--prefill", "a.gguf"],
    ["--prefill-adapter", "a.gguf"],
    ["--remote", "rpc://127.0.0.1:1"],
    ["--translator", "a.gguf"],
    ["--layer-map", "first"],
  ])
    t.regex(await tell(...service, ...more), new RegExp(`leave out ${more[0]}$`));
  t.regex(await tell("--prefill-url", "https://a.example"), /needs --decode/);
  for (const flag of ["--prefill-key-file", "--prefill-name", "--prefill-ca"])
    t.regex(await tell("--prefill", "a.gguf", flag, "x"), new RegExp(`^${flag} is for a server`));
});

test("options of a server are told by their flags", (t) => {
  const parameters = ["url", "keyFile", "ca", "insecure"].map((name) => `options.prefill.${name}`);
  const flags = ["--prefill-url", "--prefill-key-file", "--prefill-ca", "--prefill-insecure"];
  t.deepEqual(
    parameters.map((parameter) => flagOfParameter(parameter)),
    flags,
  );
});

interface Office {
  readonly url: string;
  readonly folder: string;
  readonly keyFile: string;
}

/** The demo pair, which reads for those who have the key. */
async function office(t: ExecutionContext): Promise<Office> {
  const pair = await loadPair({ ...quiet, ...demoPair, maxSessions: 2 });
  t.teardown(() => pair.dispose());
  const server = await serve({ models: { demo: pair }, port: 0, auth: { keys: [key] } });
  t.teardown(() => server.close());
  const folder = withTempDir(t);
  const keyFile = join(folder, "reader.key");
  writeFileSync(keyFile, `${key}\n`);
  return { url: server.url, folder, keyFile };
}

const asked = ["--temp", "0", "--quiet"];

test.serial("run and chat have their prompts read there", async (t) => {
  const { url, keyFile } = await office(t);
  const flags = ["--prefill-url", url, "--prefill-key-file", keyFile, "--decode", decode];
  const told = await runCommand(["run", ...flags, "--temp", "0", "--stop", "\n", "-p", demoPrompt]);
  t.is(told.exitCode, 0, told.stderr);
  t.is(told.stdout.trim(), answer.trim());
  const { stdout } = await runCommand(["run", ...flags, ...asked, "--max-tokens", "2", "--json", "-p", demoPrompt]);
  const { handover, pair } = JSON.parse(stdout) as {
    handover: { bytes: number };
    pair: { files: { prefill: string } };
  };
  t.true(handover.bytes > 0);
  t.is(pair.files.prefill, url);
  const chat = await runCommand(["chat", ...flags, ...asked, "--template", "chatml", "--max-tokens", "4"], {
    stdin: "Count red\n",
  });
  t.is(chat.exitCode, 0, chat.stderr);
});

test.serial("without the key, without the server and by another scheme the command ends with the code", async (t) => {
  const { url } = await office(t);
  const tell = (address: string) => runCommand(["run", "--prefill-url", address, "--decode", decode, "-p", "x"]);
  const [keyless, gone, open] = [
    await tell(url),
    await tell(`http://127.0.0.1:${await deadPort()}`),
    await tell("http://10.0.0.1"),
  ];
  t.deepEqual([keyless.exitCode, gone.exitCode, open.exitCode], [1, 1, 2]);
  t.regex(keyless.stderr, /\(ERR_REMOTE_REFUSED\)/);
  t.regex(gone.stderr, /\(ERR_REMOTE_UNREACHABLE\)/);
  t.regex(open.stderr, /--prefill-url: expected https:/);
});

test.serial("a folder may name the server, and a flag another one", async (t) => {
  const { url, folder, keyFile } = await office(t);
  const pairFolder = join(folder, "pair");
  mkdirSync(pairFolder);
  const write = (prefill: object) =>
    writeFileSync(
      join(pairFolder, "overfill.json"),
      JSON.stringify({ overfill: "pair", version: 1, prefill, decode: { model: decode } }),
    );
  const ends = ["--stop", "\n", ...asked, "-p", demoPrompt];
  write({ url, keyFile: "../reader.key" });
  const told = await runCommand(["run", pairFolder, ...ends]);
  t.deepEqual([told.exitCode, told.stdout.trim()], [0, answer.trim()], told.stderr);

  const other = ["--prefill-url", url];
  const keyless = await runCommand(["run", pairFolder, ...other, ...ends]);
  t.regex(keyless.stderr, /ERR_REMOTE_REFUSED/, "the folder's key is for the folder's server");
  write({ model: "full.gguf" });
  const elsewhere = await runCommand(["run", pairFolder, ...other, "--prefill-key-file", keyFile, ...ends]);
  t.deepEqual([elsewhere.exitCode, elsewhere.stdout.trim()], [0, answer.trim()], elsewhere.stderr);
});

/** Waits for the address that a server listens at. */
async function listening(t: ExecutionContext, args: readonly string[]): Promise<{ child: ChildProcess; url: string }> {
  const child = startCommand(["serve", "--port", "0", "--quiet", "--no-progress", ...args]);
  t.teardown(() => child.kill("SIGKILL"));
  let told = "";
  for await (const line of createInterface({ input: child.stderr as NonNullable<typeof child.stderr> })) {
    told += `${line}\n`;
    const [, url] = /listening on (\S+)/.exec(line) ?? [];
    if (url !== undefined) return { child, url };
  }
  throw new Error(`it never listened: ${told}`);
}

test.serial("serve writes on what another server reads, by flags and by a configuration", async (t) => {
  const { url: reader, folder, keyFile } = await office(t);
  const file = join(folder, "overfill.config.json");
  const load = { prefill: { url: reader, keyFile: "reader.key" }, decode, remote: { timeoutMs: 5_000 } };
  writeFileSync(file, JSON.stringify({ models: { small: { ...load, defaults: { temperature: 0 } } } }));
  for (const args of [
    ["--prefill-url", reader, "--prefill-key-file", keyFile, "--decode", decode, "--name", "small", "--temp", "0"],
    ["--config", file],
  ]) {
    const { child, url } = await listening(t, args);
    const ask = async (path: string, body: object) => {
      const response = await fetch(`${url}${path}`, { method: "POST", body: JSON.stringify(body) });
      return { status: response.status, body: (await response.json()) as never };
    };
    const completion = { prompt: demoPrompt, stop: "\n" };
    const { status, body } = await ask("/v1/completions", { model: "small", ...completion });
    t.is(status, 200, JSON.stringify(body));
    t.is((body as { choices: { text: string }[] }).choices[0]?.text.trim(), answer.trim());
    // What only the full model can do is not this server's.
    const exact = await ask("/v1/completions", { model: "small:exact", ...completion });
    t.deepEqual([exact.status, (exact.body as { error: { code: string } }).error.code], [400, "unsupported_parameter"]);
    const cells = await fetch(`${url}/v1/prefill`);
    t.is(cells.status, 400);
    child.kill("SIGTERM");
    await once(child, "close");
  }
});
