/** The example of docs/remote.md answers, and its commands are such. */

import test from "ava";
import { demoPair, demoPrompt, loadPair } from "../../lib/index.js";
import { runCommand } from "../cli/command-process.js";
import { quiet } from "../engine/fixtures.js";
import { lend } from "../remote/fixtures.js";
import { readPage, runProgram } from "../support/page-program.js";
import { withTempDir } from "../support/temp-dir.js";

const page = readPage("docs/remote.md");

test("the program reads on the server that it names", async (t) => {
  const [program = "", ...others] = page.programs;
  t.is(others.length, 1);
  const { url } = await lend(t);
  const { stdout } = await runProgram(withTempDir(t), program.replace("rpc://127.0.0.1:50052", url));
  await using pair = await loadPair({ ...demoPair, ...quiet });
  await using session = await pair.createSession();
  const { text } = await session.generate(demoPrompt, { temperature: 0 });
  t.is(stdout, `translate ${text}\n`);
});

test("the program of one machine has its prompt read by a server", async (t) => {
  const { stdout } = await runProgram(withTempDir(t), page.programs[1] ?? "");
  await using pair = await loadPair({ ...demoPair, ...quiet });
  await using session = await pair.createSession();
  const { text, prefill } = await session.generate(demoPrompt, { temperature: 0 });
  t.is(stdout, `${prefill.promptTokens * pair.info.kvBytesPerToken} bytes of cells: ${text}\n`);
});

test("the commands and flags that it names are there", async (t) => {
  const served = ["--prefill-url", "--prefill-key-file", "--prefill-name", "--prefill-ca", "--prefill-insecure"];
  for (const [command, flags] of [
    ["rpc-server", ["--listen", "--key", "--insecure-listen", "--cache"]],
    ["rpc-key", ["--out"]],
    ["run", ["--remote", "--remote-key", ...served]],
    ["chat", ["--remote", "--remote-key", ...served]],
    ["serve", ["--remote", "--remote-key", ...served, "--max-sessions", "--api-key-file", "--tls-cert", "--tls-key"]],
  ] as const) {
    const { stdout } = await runCommand([command, "--help"]);
    for (const flag of flags) t.true(stdout.includes(`${flag} `), `${command} ${flag}`);
  }
});
