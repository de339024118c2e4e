/** llama.cpp's log: who gets which lines, and what becomes of another package's logger. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { type LogLine, OverfillError, onLog } from "../../lib/index.js";
import { makeTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { runChild } from "./child-process.js";

const dir = makeTempDir();
const model = join(dir.path, "model.gguf");
const broken = join(dir.path, "broken.gguf");

test.before(async () => {
  await writeTinyModel(model);
  writeFileSync(broken, "GGUF and nothing else");
});
test.after.always(() => dir.remove());

test("lines reach the listener by their level, and nothing is written anywhere else", async (t) => {
  const { code, stdout, stderr } = await runChild("log.mjs", { input: JSON.stringify({ model, broken }) });
  t.is(code, 0, stderr);
  t.is(stderr, "");
  const {
    warn,
    debug,
    stopped,
    code: refusal,
  } = JSON.parse(stdout) as Record<"warn" | "debug" | "stopped", LogLine[]> & {
    code: string;
  };
  t.true(debug.some(({ level }) => level === "info" || level === "debug"));
  t.true(debug.every(({ text }) => !text.includes("\n") && text !== ""));
  t.true(warn.every(({ level }) => level === "warn" || level === "error"));
  t.deepEqual(stopped, []);
  t.is(refusal, "ERR_MODEL_INVALID");
});

for (const first of ["node-llama-cpp", "overfill"]) {
  test(`node-llama-cpp keeps its logger, and only its own lines, when ${first} was loaded first`, async (t) => {
    const { code, signal, stdout, stderr } = await runChild("log-beside.mjs", {
      input: JSON.stringify({ model, first }),
    });
    t.deepEqual({ code, signal }, { code: 0, signal: null }, stderr);
    t.deepEqual(JSON.parse(stdout), { during: 0, after: true });
  });
}

test("arguments are checked", (t) => {
  const refused = { instanceOf: OverfillError, code: "ERR_INVALID_ARGUMENT" };
  t.throws(() => onLog(undefined as never), refused);
  t.throws(() => onLog(() => {}, { level: "loud" as never }), { ...refused, message: /options\.level/ });
  t.throws(() => onLog(() => {}, { depth: 1 } as never), refused);
});
