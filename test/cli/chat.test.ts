import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import anyTest, { type ExecutionContext, type TestFn } from "ava";
import { scriptedTemplate, writeScriptedModel } from "../support/scripted-model.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { runCommand } from "./command-process.js";
import { ConversationProcess, hasTerminal } from "./conversation-process.js";

const test = anyTest as TestFn<{ model: string; remove: () => Promise<void> }>;
/** A signal on Windows ends a process outright: there is nothing to test. */
const posixTest = process.platform === "win32" ? test.serial.skip : test.serial;

test.before(async (t) => {
  const { path, remove } = makeTempDir();
  const model = join(path, "scripted.gguf");
  const script = {
    answers: {
      ".": ["Good", " day!"],
      "?": ["<think>\nHm\u001b[2J.\n</think>\n\n", "\u001b[1mYes."],
    },
    endless: { "~": " on" },
  };
  await writeScriptedModel(model, script, 200_000);
  t.context = { model, remove };
});

test.after.always((t) => t.context.remove?.());

const argsOf = (t: ExecutionContext<{ model: string }>, ...more: string[]) => [
  ...["chat", "--prefill", t.context.model, "--context", "2048", "--temp", "0", "--threads", "1"],
  ...more,
];

test.serial(
  "every line of a pipe is a message; stdout has the answers, stderr what the model thinks, harmlessly",
  async (t) => {
    const { stdout, stderr, exitCode } = await runCommand(argsOf(t), { stdin: "Hi.\n\nSure?\r\nBye." });
    t.is(stdout, "Good day!\n\u001b[1mYes.\nGood day!\n");
    t.is(stderr, "Hm\\u001b[2J.\n");
    t.is(exitCode, 0);
  },
);

test.serial("--quiet leaves the answers only", async (t) => {
  const { stdout, stderr } = await runCommand(argsOf(t, "--quiet", "--max-tokens", "1"), { stdin: "Hi.\nSure?\n" });
  t.is(stdout, "Good\n");
  t.is(stderr, "");
});

for (const [env, dim] of [
  [{ FORCE_COLOR: "1", NO_COLOR: undefined }, true],
  [{ FORCE_COLOR: undefined, NO_COLOR: "1" }, false],
] as const)
  test.serial(`with ${JSON.stringify(env)} reasoning is ${dim ? "dimmed" : "plain"}`, async (t) => {
    const { stderr } = await runCommand(argsOf(t), { stdin: "Sure?\n", env });
    t.is(stderr.includes("\u001b[2m"), dim);
  });

test.serial("/stats tells how the last answer went, and that the second one read what was new", async (t) => {
  const { stderr } = await runCommand(argsOf(t), { stdin: "/stats\nHi.\n/stats\nHi.\n/stats\n" });
  t.regex(stderr, /^There is no answer yet\.\nprefill /);
  t.regex(stderr, /^prompt +18 tokens, 0 in the cache$/m);
  t.regex(stderr, /^prompt +\d+ tokens, [1-9]\d* in the cache/m);
  t.regex(stderr, /^finish +eos: the model ended the answer$/m);
  t.regex(stderr, /^context +20 of 2,048 tokens$/m);
  t.regex(stderr, /^messages +4$/m);
});

test.serial("an answer that is cut short is told", async (t) => {
  const { stdout, stderr } = await runCommand(argsOf(t, "--max-tokens", "1"), { stdin: "Hi.\n" });
  t.is(stdout, "Good\n");
  t.is(stderr, "--max-tokens was reached\n");
});

test.serial("messages that no longer fit are left out, and that is told", async (t) => {
  const line = `${"a ".repeat(120)}.\n`;
  const args = argsOf(t, "--context", "256");
  const { stdout, stderr, exitCode } = await runCommand(args, { stdin: line + line });
  t.is(stdout, "Good day!\nGood day!\n");
  t.is(stderr, "the context was full: 2 of the oldest messages are left out from now on\n");
  t.is(exitCode, 0);
});

const messagesIn = (file: string) => JSON.parse(readFileSync(file, "utf8"));
const said = (content: string, answer: string) => [
  { role: "user", content },
  { role: "assistant", content: answer },
];

test.serial("/save and /load carry a conversation into another process", async (t) => {
  const [first, second] = ["first.json", "second.json"].map((name) => join(withTempDir(t), name)) as [string, string];
  await runCommand(argsOf(t, "--system", "Be\u001b brief"), { stdin: `Hi.\n/save ${first}\n` });
  t.deepEqual(messagesIn(first), [{ role: "system", content: "Be\u001b brief" }, ...said("Hi.", "Good day!")]);
  const stdin = `/load ${first}\nBye.\n/save ${second}\n/stats\n`;
  const { stdout, stderr } = await runCommand(argsOf(t), { stdin });
  t.is(stdout, "Good day!\n");
  t.deepEqual(messagesIn(second), [...messagesIn(first), ...said("Bye.", "Good day!")]);
  t.regex(stderr, /^3 messages are loaded\n5 messages are in /);
});

test.serial("/undo takes back a message and its answer, /system changes the system's message", async (t) => {
  const file = join(withTempDir(t), "chat.json");
  const stdin = `/undo\nHi.\nBye.\n/undo\n/system\n/system  Be brief. \n/system Be very brief.\n/system\n/save ${file}\n`;
  const { stderr } = await runCommand(argsOf(t), { stdin });
  t.deepEqual(messagesIn(file), [{ role: "system", content: "Be very brief." }, ...said("Hi.", "Good day!")]);
  const lines = ["there is no message to take back", "your last message is taken back"];
  t.deepEqual(stderr.split("\n").slice(0, 4), [...lines, "There is no system message.", "Be very brief."]);
});

test.serial("/edit changes the last message and has it answered, /again has it answered again", async (t) => {
  const file = join(withTempDir(t), "chat.json");
  const stdin = `/again\n/edit Hm.\nHi.\nBye.\n/edit Good bye.\n/again\n/save ${file}\n/stats\n`;
  const { stdout, stderr } = await runCommand(argsOf(t), { stdin });
  t.is(stdout, "Good day!\n".repeat(4));
  t.deepEqual(messagesIn(file), [...said("Hi.", "Good day!"), ...said("Good bye.", "Good day!")]);
  const nothing = "you have not said anything yet\n";
  t.true(stderr.startsWith(`${nothing}${nothing}4 messages are in `), stderr);
  // All but the last token, whose logits are wanted.
  const [, prompt, cached] = /^prompt +(\d+) tokens, (\d+) in the cache/m.exec(stderr) ?? [];
  t.is(Number(cached), Number(prompt) - 1);
});

test.serial("/help lists the commands", async (t) => {
  const { stderr } = await runCommand(argsOf(t), { stdin: "/help\n" });
  for (const command of [
    "/stats",
    "/save FILE",
    "/load FILE",
    "/undo",
    "/edit TEXT",
    "/again",
    "/system TEXT",
    "/help",
    "/exit",
  ])
    t.true(stderr.includes(`  ${command} `), command);
});

test.serial("/exit ends the conversation, though the pipe stays open", async (t) => {
  const chat = ConversationProcess.start(argsOf(t));
  chat.type("Hi.\n/exit\nBye.\n");
  t.like(await chat.finish(), { stdout: "Good day!\n", stderr: "", exitCode: 0 });
});

for (const [title, line, stderr, exitCode] of [
  ["no such command", "/walk\u001b x", "there is no command /walk\\u001b: /help lists them", 2],
  ["a command without its file", "/save", "expected /save FILE", 2],
  ["a command without its text", "/edit", "expected /edit TEXT", 2],
  ["a file that is not there", "/load none.json", "none.json does not exist (ERR_FILE_READ_FAILED)", 1],
  ["a file that cannot be", "/save none/x.json", "none/x.json cannot be written: No such file or directory", 1],
  ["a message that does not fit", "a ".repeat(3000), "tokens do not fit", 1],
] as const)
  test.serial(`${title} ends a conversation that nobody types with exit status ${exitCode}`, async (t) => {
    const result = await runCommand(argsOf(t), { stdin: `${line}\nHi.\n` });
    t.is(result.stdout, "");
    t.true(result.stderr.startsWith("overfill: ") && result.stderr.includes(stderr), result.stderr);
    t.is(result.exitCode, exitCode);
  });

for (const [title, content, stderr] of [
  ["no JSON", "{", "holds no messages: "],
  ["no messages", '[{ "role": "user" }]', "holds no messages: messages.0"],
] as const)
  test.serial(`/load of a file with ${title} is refused`, async (t) => {
    const file = join(withTempDir(t), "chat.json");
    writeFileSync(file, content);
    const result = await runCommand(argsOf(t), { stdin: `/load ${file}\n` });
    t.true(result.stderr.includes(stderr), result.stderr);
    t.is(result.exitCode, 2);
  });

test.serial("a template comes from a file, or is ChatML", async (t) => {
  const file = join(withTempDir(t), "template.jinja");
  // Every message looks like one that ends with a question mark.
  writeFileSync(file, scriptedTemplate.replace("said[-1:]", '"?"'));
  const own = await runCommand(argsOf(t, "--template", file, "--quiet"), { stdin: "Hi.\n" });
  t.is(own.stdout, "\u001b[1mYes.\n");
  // Nothing is known to follow what it begins an answer with.
  t.is((await runCommand(argsOf(t, "--template", "chatml", "--quiet"), { stdin: "Hi.\n" })).stdout, "");
});

test.serial("the demo pair chats in ChatML, and it is told that it cannot", async (t) => {
  const args = ["chat", "--max-tokens", "4"];
  const { stdout, stderr, exitCode } = await runCommand(args, { stdin: "Hi\n" });
  t.true(stdout.length > 1);
  t.is(exitCode, 0);
  t.regex(stderr, /^overfill: without --prefill the demo pair answers, .*\n.*`overfill suggest`/);
  t.notRegex((await runCommand([...args, "--quiet"], { stdin: "Hi\n" })).stderr, /demo pair/);
});

posixTest("Ctrl-C stops an answer and keeps the conversation; where nothing is answered, it ends it", async (t) => {
  const chat = ConversationProcess.start(argsOf(t, "--context", "100000"));
  chat.type("Go~\n");
  await chat.out.until(" on on");
  chat.child.kill("SIGINT");
  await chat.err.until("stopped\n");
  chat.type("Hi.\n/stats\n");
  await chat.out.until("Good day!");
  await chat.err.until("messages  4");
  chat.child.kill("SIGINT");
  t.is((await chat.finish()).exitCode, 130);
});

for (const [name, exitCode] of [
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)
  posixTest(`${name} in the middle of an answer ends the command with ${exitCode}`, async (t) => {
    const chat = ConversationProcess.start(argsOf(t, "--context", "100000"));
    chat.type("Go~\n");
    await chat.out.until(" on on");
    chat.child.kill(name);
    const { stderr, exitCode: actual } = await chat.finish();
    t.is(actual, exitCode);
    t.is(stderr, "");
  });

const terminalTest = hasTerminal ? test.serial : test.serial.skip;
terminalTest("on a terminal: a prompt, history, failures that end nothing, Ctrl-C (needs script)", async (t) => {
  const chat = ConversationProcess.onTerminal(argsOf(t, "--context", "100000"));
  await chat.out.until("> ");
  chat.type("Hi.\r");
  await chat.out.until("Good day!");
  await chat.out.until("> ");
  chat.type("/walk\r");
  await chat.out.until("there is no command /walk");
  await chat.out.until("> ");
  // What was said before the last line, again.
  chat.type("\u001b[A\u001b[A\r");
  await chat.out.until("Good day!");
  await chat.out.until("> ");
  chat.type("Go~\r");
  await chat.out.until(" on on");
  // Typed while an answer is written: it stands at the next prompt.
  chat.type("Sure");
  chat.type("\u0003");
  await chat.out.until("stopped");
  await chat.out.until("Sure");
  chat.type("?\r");
  await chat.out.until("Hm\\u001b[2J.");
  await chat.out.until("\\u001b[1mYes.");
  await chat.out.until("> ");
  chat.type("\u0003");
  t.is((await chat.finish()).exitCode, 130);
});

terminalTest("lines that are pasted together are answered one after the other (needs script)", async (t) => {
  const chat = ConversationProcess.onTerminal(argsOf(t));
  await chat.out.until("> ");
  chat.type("Hi.\rBye.\r");
  for (const text of ["Hi.", "Good day!", "> ", "Bye.", "Good day!", "> "]) await chat.out.until(text);
  chat.type("\u0004");
  t.is((await chat.finish()).exitCode, 0);
});
