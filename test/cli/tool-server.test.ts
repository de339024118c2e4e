import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import anyTest, { type ExecutionContext, type TestFn } from "ava";
import { splitWords } from "../../lib/cli/shell-words.js";
import { scriptedCall, writeScriptedModel } from "../support/scripted-model.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { main, runCommand } from "./command-process.js";
import { ConversationProcess, hasTerminal } from "./conversation-process.js";

const test = anyTest as TestFn<{ model: string; remove: () => Promise<void> }>;
/** A signal on Windows ends a process outright: there is nothing to test. */
const posixTest = process.platform === "win32" ? test.serial.skip : test.serial;
const server = fileURLToPath(new URL("./tool-server.mjs", import.meta.url));

test.before(async (t) => {
  const { path, remove } = makeTempDir();
  const model = join(path, "scripted.gguf");
  const answers = {
    ".": ["Good day!"],
    "?": [scriptedCall("now", { zone: "CET" })],
    "2": [scriptedCall("now_2", { zone: "UTC" })],
    "0": ["It is noon."],
    x: [scriptedCall("clock_broken", {})],
    n: ["Sorry."],
    w: [scriptedCall("wait", {})],
  };
  await writeScriptedModel(model, { answers }, 8192);
  t.context = { model, remove };
});

test.after.always((t) => t.context.remove?.());

interface Setup {
  readonly args: readonly string[];
  /** Gets a line when a server has ended. */
  readonly log: string;
}

/** The command with a server for each list of arguments. */
function withServers(t: ExecutionContext<{ model: string }>, ...servers: readonly (readonly string[])[]): Setup {
  const log = join(withTempDir(t), "servers.log");
  const commands = servers.flatMap((more) => [
    "--tool-server",
    [process.execPath, server, log, ...more].map((word) => `"${word}"`).join(" "),
  ]);
  const model = ["--prefill", t.context.model, "--temp", "0", "--threads", "1", "--context", "8192"];
  return { args: ["chat", ...model, ...commands], log };
}

test.serial("the model calls a server's tools, each call and each result is a line, the server ends", async (t) => {
  const { args, log } = withServers(t, []);
  const { stdout, stderr, exitCode } = await runCommand(args, { stdin: "Time?\nBye.\n" });
  t.is(stdout, "It is noon.\nGood day!\n");
  t.is(stderr, '→ now {"zone":"CET"}\n← now CET 12:00\n');
  t.is(exitCode, 0);
  t.is(readFileSync(log, "utf8"), "ended\n");
});

test.serial("a tool that fails is a result for the model, in harmless words", async (t) => {
  const { stdout, stderr } = await runCommand(withServers(t, []).args, { stdin: "x\n" });
  t.is(stdout, "Sorry.\n");
  t.is(stderr, "→ clock_broken {}\n← clock_broken failed: the spring \\u001b[2J is broken\n");
});

test.serial("a tool of a second server with the same name has a number", async (t) => {
  const { args, log } = withServers(t, [], []);
  const { stdout, stderr } = await runCommand(args, { stdin: "Time?\n2\n" });
  t.is(stdout, "It is noon.\nIt is noon.\n");
  t.true(stderr.endsWith('→ now_2 {"zone":"UTC"}\n← now_2 UTC 12:00\n'));
  t.is(readFileSync(log, "utf8"), "ended\nended\n");
});

test.serial("--max-steps ends an answer whose calls were not made", async (t) => {
  const { args } = withServers(t, []);
  const { stdout, stderr } = await runCommand([...args, "--max-steps", "1"], { stdin: "Time?\n" });
  t.is(stdout, "");
  t.is(stderr, '→ now {"zone":"CET"}\n--max-steps was reached: the last calls were not made\n');
});

posixTest("Ctrl-C stops a tool that never answers, and keeps the conversation", async (t) => {
  const { args, log } = withServers(t, []);
  const chat = ConversationProcess.start(args);
  chat.type("Hi.\nw\n");
  await chat.err.until("→ wait {}");
  chat.child.kill("SIGINT");
  await chat.err.until("stopped");
  chat.type("Time?\n/stats\n");
  await chat.out.until("It is noon.");
  // The call that was stopped, and the message that led to it, are gone.
  await chat.err.until("messages  6");
  chat.child.kill("SIGTERM");
  t.is((await chat.finish()).exitCode, 143);
  t.is(readFileSync(log, "utf8"), "ended\n");
});

(hasTerminal ? test.serial : test.serial.skip)(
  "Ctrl-C on a terminal leaves the servers alone (needs script)",
  async (t) => {
    const chat = ConversationProcess.onTerminal(withServers(t, []).args);
    await chat.out.until("> ");
    chat.type("w\r");
    await chat.out.until("→ wait {}");
    chat.type("\u0003");
    await chat.out.until("stopped");
    chat.type("Time?\r");
    await chat.out.until("← now CET 12:00");
    await chat.out.until("It is noon.");
    chat.type("/exit\r");
    t.is((await chat.finish()).exitCode, 0);
  },
);

test.serial("a server that ends at once is told with its own last words", async (t) => {
  const { args, log } = withServers(t, [], ["silent"]);
  const { stdout, stderr, exitCode } = await runCommand(args, { stdin: "Hi.\n" });
  t.is(stdout, "");
  t.regex(stderr, /^overfill: the tool server .* "silent": .*\nno \\u001b\[2Jclock here \(ERR_TOOL_SERVER_FAILED\)\n$/);
  t.is(exitCode, 1);
  // The one before it does not stay behind.
  t.is(readFileSync(log, "utf8"), "ended\n");
});

test.serial("a server that there is not is told", async (t) => {
  const { stderr, exitCode } = await runCommand(["chat", "--tool-server", "no-such-server-here"], { stdin: "Hi\n" });
  t.regex(stderr, /^overfill: the tool server no-such-server-here: .*ENOENT.* \(ERR_TOOL_SERVER_FAILED\)\n$/);
  t.is(exitCode, 1);
});

test.serial("without the package for servers, how to install it is told", async (t) => {
  // Where no node_modules is.
  const folder = join(withTempDir(t), "overfill");
  mkdirSync(folder);
  const root = join(dirname(main), "..", "..");
  cpSync(join(root, "dist"), join(folder, "dist"), { recursive: true });
  cpSync(join(root, "package.json"), join(folder, "package.json"));
  t.false(existsSync(join(folder, "node_modules")));
  const script = join(folder, "dist", "cli", "main.js");
  const { stderr, exitCode } = await runCommand(["chat", "--tool-server", "x"], { stdin: "Hi\n", script });
  t.regex(stderr, /^overfill: --tool-server needs .*: npm install @modelcontextprotocol\/sdk@1/);
  t.is(exitCode, 2);
  const help = await runCommand(["chat", "--help"], { script });
  t.is(help.exitCode, 0);
});

test("a command's words are what spaces part and quotes join", (t) => {
  t.deepEqual(splitWords(`  node "a b.js" --name='it is "x"' ''`), ["node", "a b.js", '--name=it is "x"', ""]);
  t.deepEqual(splitWords("C:\\tools\\server.exe -v"), ["C:\\tools\\server.exe", "-v"]);
  t.deepEqual(splitWords(" "), []);
  t.throws(() => splitWords('node "a b.js'), { message: /a quote is open/ });
});
