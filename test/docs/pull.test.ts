/** The commands of docs/pull.md run one after the other, against a server that answers as the Hub does. */

import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";
import { demoPair } from "../../lib/engine/demo-pair.js";
import { FakeHub } from "../cli/hub/fake-hub.js";
import { withTempDir } from "../support/temp-dir.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(join(root, "docs/pull.md"), "utf8");

/** The page's commands are for a POSIX shell. */
const posixTest = process.platform === "win32" ? test.skip : test;

posixTest("the page's commands run", async (t) => {
  const [full, small] = [demoPair.prefill, demoPair.decode].map(({ model }) => readFileSync(model)) as [Buffer, Buffer];
  await using hub = await FakeHub.start({
    "org/demo-GGUF": { files: { "demo-F16.gguf": full, "demo-Q4_0.gguf": small } },
  });
  const folder = withTempDir(t);
  const commands = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");
  t.is(commands.length, 3);
  const overfill = `overfill() { '${process.execPath}' '${join(root, "dist/cli/main.js")}' "$@"; }`;
  const env = { ...process.env, HOME: folder, HF_HOME: join(folder, "hf"), HF_ENDPOINT: hub.endpoint.href };
  const script = ["set -e", overfill, ...commands, "overfill suggest --json"].join("\n");
  const { stdout, stderr } = await promisify(execFile)("sh", ["-c", script], { cwd: folder, env });
  t.is(stderr, "");
  t.regex(stdout, /^No models are here\.$/m);
  t.regex(stdout, /^ {2}F16 +\d.*\n {2}Q4_0 +\d/m);
  t.regex(stdout, /^Wrote my-app \(chat\)/m);
  t.regex(stdout, /"prefill": "[^"]+demo-F16\.gguf"/);
  t.deepEqual(readdirSync(join(folder, "hf", "hub")), ["models--org--demo-GGUF"]);
});

test("the page names every code of a download", (t) => {
  const source = readFileSync(join(root, "lib/cli/hub/faults.ts"), "utf8");
  const codes = [...source.matchAll(/"(ERR_DOWNLOAD_\w+)"/g)].map(([, code]) => code);
  t.is(codes.length, 5);
  for (const code of codes) t.true(page.includes(`| \`${code}\``), code);
});
