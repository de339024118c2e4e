import { writeFileSync } from "node:fs";
import { join } from "node:path";
import anyTest, { type ExecutionContext, type TestFn } from "ava";
import { writeScriptedModel } from "../support/scripted-model.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { runCommand } from "./command-process.js";

const test = anyTest as TestFn<{ model: string; remove: () => Promise<void> }>;

test.before(async (t) => {
  const { path, remove } = makeTempDir();
  const model = join(path, "scripted.gguf");
  const answers = {
    ".": ["Good", " day!"],
    "?": ["<think>\nHm\u001b[2J.\n</think>\n\n", "Yes."],
  };
  await writeScriptedModel(model, { answers });
  t.context = { model, remove };
});

test.after.always((t) => t.context.remove?.());

const argsOf = (t: ExecutionContext<{ model: string }>, ...more: string[]) => [
  ...["run", "--prefill", t.context.model, "--temp", "0", "--threads", "1"],
  ...more,
];

test.serial("with --chat the prompt is a message of the user", async (t) => {
  const { stdout, stderr, exitCode } = await runCommand(argsOf(t, "--chat", "-p", "Hi."));
  t.is(stdout, "Good day!");
  t.regex(stderr, /^prefill +18 tokens.*\nswitch .*\ndecode +2 tokens.*\nfinish +eos: the model ended the answer\n$/);
  t.is(exitCode, 0);
  // As it is, the prompt asks for nothing.
  t.is((await runCommand(argsOf(t, "-p", "Hi! "))).stdout, "");
});

test.serial("reasoning is on stderr, harmless; --quiet leaves it out", async (t) => {
  const args = argsOf(t, "--chat", "-p", "Sure?");
  const { stdout, stderr } = await runCommand(args);
  t.is(stdout, "Yes.");
  t.true(stderr.startsWith("Hm\\u001b[2J.\nprefill "));
  t.deepEqual(await runCommand([...args, "--quiet"]), { stdout: "Yes.", stderr: "", exitCode: 0, signal: null });
});

test.serial("--system makes it a chat, and is read", async (t) => {
  const args = argsOf(t, "--json", "-p", "Sure?");
  const bare = JSON.parse((await runCommand([...args, "--chat"])).stdout);
  t.deepEqual(Object.keys(bare).slice(0, 4), ["text", "reasoning", "finishReason", "usage"]);
  t.like(bare, { text: "Yes.", reasoning: "Hm\u001b[2J.\n", finishReason: "stop", handover: { kind: "share" } });
  const told = JSON.parse((await runCommand([...args, "--system", "Be brief."])).stdout);
  t.is(told.text, "Yes.");
  t.true(told.usage.promptTokens > bare.usage.promptTokens);
});

const point = {
  type: "object",
  properties: { x: { type: "integer" }, side: { enum: ["left", "right"] } },
  required: ["x", "side"],
  additionalProperties: false,
};

function schemaFile(t: ExecutionContext, schema: unknown): string {
  const file = join(withTempDir(t), "schema.json");
  writeFileSync(file, typeof schema === "string" ? schema : JSON.stringify(schema));
  return file;
}

test.serial("--json-schema holds the answer to a schema and prints it as JSON", async (t) => {
  const args = ["run", "--json-schema", schemaFile(t, point), "-p", "Where?", "--quiet"];
  const { stdout, exitCode } = await runCommand(args);
  const answer = JSON.parse(stdout);
  t.deepEqual(Object.keys(answer), ["x", "side"]);
  t.true(Number.isInteger(answer.x) && ["left", "right"].includes(answer.side));
  t.is(stdout, `${JSON.stringify(answer)}\n`);
  t.is(exitCode, 0);
  t.deepEqual(JSON.parse((await runCommand([...args, "--json"])).stdout).object, answer);
});

test.serial("a grammar holds the text of a chat's answer", async (t) => {
  const { stdout } = await runCommand(argsOf(t, "--chat", "--quiet", "-p", "Hi.", "--grammar", 'root ::= "Bad day."'));
  t.is(stdout, "Bad day.");
});

test.serial("an answer that is no whole JSON is none", async (t) => {
  const args = ["run", "--json-schema", schemaFile(t, point), "-p", "Where?", "--max-tokens", "2"];
  const { stdout, stderr, exitCode } = await runCommand(args);
  t.is(stdout, "");
  t.is(stderr, "overfill: the answer is not whole (length: --max-tokens was reached)\n");
  t.is(exitCode, 1);
});

for (const [title, schema, stderr, exitCode] of [
  ["no JSON", "{", /^overfill: .*schema\.json is not JSON: /, 2],
  ["no object", "[]", /schema\.json holds no JSON schema: expected an object$/, 2],
  ["what no grammar can say", { type: "number", minimum: 3 }, /"minimum" at \/ .* \(ERR_SCHEMA_UNSUPPORTED\)$/, 1],
] as const)
  test.serial(`a schema file with ${title} is refused with exit status ${exitCode}`, async (t) => {
    const result = await runCommand(["run", "--json-schema", schemaFile(t, schema), "-p", "x"]);
    t.is(result.stdout, "");
    t.regex(result.stderr.trimEnd(), stderr);
    t.is(result.exitCode, exitCode);
  });

for (const [stderr, ...args] of [
  [/^overfill: --special is for a prompt without/, "--chat", "--special"],
  [/^overfill: --ignore-eos is for a prompt without/, "--system", "x", "--ignore-eos"],
  [/^overfill: --json-schema is a grammar already/, "--json-schema", "x.json", "--grammar", "x"],
  [/^overfill: option '--reasoning-budget.*cannot be used with option/, "--no-reasoning", "--reasoning-budget", "1"],
  [/^overfill: --reasoning-budget: expected a whole number from 0/, "--reasoning-budget", "-1"],
] as const)
  test.serial(`${args.join(" ")} is refused`, async (t) => {
    const result = await runCommand(["run", "-p", "x", ...args]);
    t.regex(result.stderr, stderr);
    t.is(result.exitCode, 2);
  });

test.serial("a chat waits for its message, where the demo would begin without one", async (t) => {
  const { stdout, stderr, exitCode } = await runCommand(["run", "--chat"], { stdin: "" });
  t.is(stdout, "");
  t.regex(stderr, /^overfill: no prompt/);
  t.is(exitCode, 2);
});
