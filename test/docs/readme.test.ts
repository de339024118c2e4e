/** Every JavaScript example of the README runs, as a stranger would run it, on the demo pair under the README's names. */

import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";
import { withTempDir } from "../support/temp-dir.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");
const examples = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");
const expected = [
  " 3 gray lamps , 12 red boats , 17 blue keys .",
  " lamps barn",
  "{ rain: ",
  " Rosnek 17 blue keys attic",
  "choose another file",
];

test("the README has as many examples as this test knows", (t) => {
  t.is(examples.length, expected.length);
});

for (const [index, code] of examples.entries()) {
  test(`README example ${index + 1} runs: ${expected[index]}`, async (t) => {
    const folder = withTempDir(t);
    mkdirSync(join(folder, "node_modules"));
    symlinkSync(root, join(folder, "node_modules", "overfill"), "junction");
    copyFileSync(join(root, "models/demo-prefill.gguf"), join(folder, "Llama-3.2-3B-Instruct-Q8_0.gguf"));
    copyFileSync(join(root, "models/demo-decode.gguf"), join(folder, "Llama-3.2-3B-Instruct-Q4_0.gguf"));
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    // The demo pair has not learnt to chat, and has no template.
    writeFileSync(join(folder, "example.ts"), code.replace(".chat({", '.chat({ template: "chatml",'));
    // The loader also lowers `await using`, as a user's compiler would.
    const tsx = import.meta.resolve("tsx");
    const { stdout } = await promisify(execFile)(process.execPath, ["--import", tsx, "example.ts"], { cwd: folder });
    t.true(stdout.includes(expected[index] ?? ""), stdout);
  });
}
