/** The process or a worker ends in the middle of native work: the status is the application's own, and nothing else dies. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { makeTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { runChild } from "./child-process.js";

const dir = makeTempDir();
const model = join(dir.path, "model.gguf");
const text = join(dir.path, "text.txt");
const data = join(dir.path, "data.jsonl");
let n = 0;
const files = () => ({ model, text, data, out: join(dir.path, `out-${n++}.gguf`) });

test.before(async () => {
  await writeTinyModel(model, { nEmbd: 128, nFf: 512, nLayers: 4, nHeads: 4, nKvHeads: 4, contextLength: 2048 });
  writeFileSync(text, "the cat sat on the mat and the dog ran in the house\n".repeat(2000));
  const records = Array.from({ length: 300 }, (_, i) => ({ prompt: `the ${i} cat`, response: ` sat on ${i} mats` }));
  writeFileSync(data, records.map((record) => JSON.stringify(record)).join("\n"));
});
test.after.always(() => dir.remove());

const works = [
  "load",
  "prefill",
  "generate",
  "score",
  "fit",
  "importance",
  "prune",
  "heal",
  "createModel",
  "inspect",
  "waiting",
  "idle",
];
const calls = [
  "firstLoad",
  "prunableArchitectures",
  "stats",
  "createSession",
  "prefillAndDecode",
  "tokenize",
  "loadPair",
  "onLog",
];
const statuses = { exit: 7, reallyExit: 7, listener: 7, throw: 1, reject: 1 };

async function keepsStatus(t: ExecutionContext, what: string, how: keyof typeof statuses): Promise<void> {
  const { code, signal, stderr } = await runChild("end-process.mjs", {
    input: JSON.stringify({ what, how, ...files() }),
  });
  t.deepEqual({ code, signal }, { code: statuses[how], signal: null }, stderr);
}

for (const what of works) {
  test.serial(`the application's status is kept when it ends in the middle of: ${what}`, async (t) => {
    for (const how of ["exit", "throw"] as const) await keepsStatus(t, what, how);
  });
}

for (const how of ["reject", "listener", "reallyExit"] as const) {
  test.serial(`the application's status is kept when it ends by ${how}`, async (t) => {
    for (const what of ["importance", "generate"]) await keepsStatus(t, what, how);
  });
}

for (const what of [...works, ...calls]) {
  test.serial(`a worker that is terminated takes nothing with it in the middle of: ${what}`, async (t) => {
    const { code, signal, stdout, stderr } = await runChild("end-worker.mjs", {
      input: JSON.stringify({ what, ...files() }),
    });
    t.deepEqual({ code, signal, stdout }, { code: 0, signal: null, stdout: "alive 3\n" }, stderr);
  });
}

for (const what of ["importance", "generate", "load"]) {
  test.serial(
    `the status is kept when the main thread exits while a worker is in the middle of: ${what}`,
    async (t) => {
      const { code, signal, stderr } = await runChild("exit-beside-worker.mjs", {
        input: JSON.stringify({ what, ...files() }),
      });
      t.deepEqual({ code, signal }, { code: 7, signal: null }, stderr);
    },
  );
}
