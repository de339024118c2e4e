/** Grammars that would take the process with them: each is tried in a process of its own, with little time. */

import { join } from "node:path";
import test from "ava";
import { withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { runChild } from "./child-process.js";

const hostile: readonly (readonly [title: string, grammar: string])[] = [
  ["an impossible repetition", 'root ::= "a"{3,1}'],
  ["more repetitions than can be", `root ::= "a"{${2 ** 40}}`],
  ["brackets nested too deeply", `root ::= ${"(".repeat(200_000)}"a"${")".repeat(200_000)}`],
  [
    "rules chained too far",
    `${Array.from({ length: 300_000 }, (_, i) => `r${i} ::= r${i + 1}`).join("\n")}\nr300000 ::= "a"\nroot ::= r0`,
  ],
  ["a zero byte", 'root ::= "a"\0 "b"'],
];

for (const [title, grammar] of hostile) {
  test.serial(`a grammar with ${title} is refused`, async (t) => {
    const { path } = await writeTinyModel(join(withTempDir(t), "model.gguf"));
    const input = JSON.stringify({ model: path, options: { grammar, maxTokens: 5 } });
    const { code, signal, stdout } = await runChild("answer.mjs", { input, timeoutMs: 60_000 });
    t.deepEqual({ code, signal }, { code: 0, signal: null });
    t.is(JSON.parse(stdout).code, "ERR_GRAMMAR_INVALID");
  });
}

test.serial("a grammar of an ordinary size and depth is not", async (t) => {
  const { path } = await writeTinyModel(join(withTempDir(t), "model.gguf"));
  const grammar = `root ::= ${"(".repeat(100)}"a"{2,3}${")".repeat(100)} # {3,1} "{3,1}"`;
  const input = JSON.stringify({ model: path, options: { grammar, maxTokens: 5 } });
  t.regex(JSON.parse((await runChild("answer.mjs", { input })).stdout).text, /^aaa?$/);
});
