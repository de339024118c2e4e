/**
 * A smoke suite under other versions of Node, from the `node` package's binaries on npm: the demo by import and on the command
 * line, `require` where Node has it for ES modules, and the tests of the loader and of the engine's life cycle.
 *
 *   node scripts/check/node-versions.mjs [version ...]    default: 22 and 24, and 20.17 and 20.19 without the tests
 *
 * Needs a built clone (npm ci). Fetches the versions with npm.
 */
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import {
  check,
  checkAnswer,
  makeProject,
  npmInstall,
  onWindows,
  program,
  removeWork,
  root,
  run,
  start,
  step,
} from "./package/work.mjs";

/** `tests`: whether ava runs too; `requires`: whether `require("overfill")` works without a flag. */
const known = [
  { version: "20.17.0", tests: false, requires: false },
  { version: "20.19.0", tests: false, requires: true },
  { version: "22", tests: true, requires: true },
  { version: "24", tests: true, requires: true },
];

const tests = [
  "test/internal/load-binding.test.ts",
  "test/internal/process-kinds.test.ts",
  "test/engine/demo-pair.test.ts",
  "test/engine/abort.test.ts",
  "test/errors/errors.test.ts",
];

const system = onWindows ? "win" : process.platform;

function checkVersion({ version, tests: withTests, requires }) {
  const project = makeProject(`node-${version}`, {
    "demo.mjs": program.esm,
    "demo.cjs": program.cjs,
    "dynamic.cjs": program.dynamic,
  });
  // What the `node` package installs by a script of its own.
  const name = `node-${system}-${process.arch}`;
  npmInstall(project, `${name}@${version}`);
  const node = join(project, "node_modules", name, "bin", onWindows ? "node.exe" : "node");
  symlinkSync(root, join(project, "node_modules", "overfill"), "junction");
  console.log(`   ${run(node, ["--version"]).trim()}`);

  checkAnswer(run(node, ["demo.mjs"], { cwd: project }));
  checkAnswer(run(node, ["dynamic.cjs"], { cwd: project }));
  const required = start(node, ["demo.cjs"], { cwd: project });
  if (requires) checkAnswer(required.stdout);
  else check(required.stderr.includes("ERR_REQUIRE_ESM"), `require ended with ${required.status}: ${required.stderr}`);
  check(run(node, [join(root, "dist", "cli", "main.js"), "doctor"]).includes("Everything works."), "doctor failed");
  if (withTests)
    console.log(run(node, [join(root, "node_modules", "ava", "entrypoints", "cli.mjs"), ...tests], { cwd: root }));
}

const named = process.argv.slice(2);
const versions = known.filter(({ version }) => named.length === 0 || named.includes(version));
if (versions.length < named.length)
  throw new Error(`this script knows ${known.map(({ version }) => version).join(", ")}`);
try {
  for (const one of versions) await step(`Node ${one.version}`, () => checkVersion(one));
} finally {
  removeWork();
}
