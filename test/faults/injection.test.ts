/** A system that fails now and then: a code, nothing left behind, and the same result afterwards (`npm run test:faults` does more). */

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import anyTest, { type TestFn } from "ava";
import { operations } from "../../scripts/faults/injection/operations.js";
import { failures, runInjection } from "../../scripts/faults/injection/run-injection.js";
import { writeSoundFiles } from "../../scripts/faults/mutants/sound-files.js";
import { makeTempDir } from "../support/temp-dir.js";

const test = anyTest as TestFn<{ readonly folder: string; readonly remove: () => Promise<void> }>;

function hasCompiler(): boolean {
  try {
    execFileSync("cc", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const linuxTest = process.platform === "linux" && hasCompiler() ? test.serial : test.skip;

test.before(async (t) => {
  const { path: folder, remove } = makeTempDir();
  t.context = { folder, remove };
  await writeSoundFiles(join(folder, "sound"));
});
test.after.always((t) => t.context.remove?.());

function inject(folder: string, [operation, failure]: readonly (readonly string[])[], most: number) {
  return runInjection({
    operations: operations.filter(({ name }) => operation?.includes(name)),
    failures: failures.filter(({ name }) => failure?.includes(name)),
    ...{ seed: 22, most, until: Number.POSITIVE_INFINITY, jobs: 1 },
    ...{ soundFolder: join(folder, "sound"), workFolder: folder },
  });
}

linuxTest("what fails has a code, leaves nothing, and works afterwards", async (t) => {
  const what = [
    ["load", "decode", "save", "quantize"],
    ["memory", "write", "disk-full", "sync", "rename", "open", "thread"],
  ];
  const { counts, findings } = await inject(t.context.folder, what, 3);
  t.deepEqual(findings, []);
  const refused = (operation: string, failure: string) =>
    Object.keys(counts.find((one) => one.operation === operation && one.failure === failure)?.refused ?? {});
  t.deepEqual(refused("save", "disk-full"), ["ERR_FILE_WRITE_FAILED"]);
  t.deepEqual(refused("quantize", "sync"), ["ERR_FILE_WRITE_FAILED"]);
  t.true(refused("load", "memory").includes("ERR_OUT_OF_MEMORY"));
});

linuxTest("a file that cannot be opened or read is not taken for a damaged one", async (t) => {
  const what = [
    ["load", "quantize", "prune", "heal", "importance-matrix"],
    ["open", "read"],
  ];
  const { counts, findings } = await inject(t.context.folder, what, 10);
  t.deepEqual(findings, []);
  const codes = [...new Set(counts.flatMap(({ refused }) => Object.keys(refused)))];
  t.true(codes.includes("ERR_MODEL_LOAD_FAILED"), codes.join());
  t.deepEqual(
    codes.filter((code) => code.endsWith("_INVALID")),
    [],
  );
});

for (const [title, operation, most] of [
  ["a session reads on after a prefill for which there was no memory, wherever it was missing", "prefill", 100],
  ["a session is restored after there was no memory for it, wherever it was missing", "restore", 100],
  ["a session is saved, or not, and no folder is left, wherever memory was missing", "save", 200],
  ["a model is quantised, or there was no memory to know how, wherever it was missing", "quantize", 100],
] as const)
  linuxTest(title, async (t) => {
    const { counts, findings } = await inject(t.context.folder, [[operation], ["memory", "memory-from-then-on"]], most);
    t.deepEqual(findings, []);
    t.true((counts[0]?.refused.ERR_OUT_OF_MEMORY ?? 0) > 10);
  });
