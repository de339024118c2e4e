import test from "ava";
import { demoQuestions } from "../../lib/engine/demo-pair.js";
import { withTempDir } from "../support/temp-dir.js";
import { runCommand } from "./command-process.js";

test.serial("a sound installation passes, with a real answer of the demo pair", async (t) => {
  const { stdout, stderr, exitCode } = await runCommand(["doctor"]);
  t.is(exitCode, 0);
  t.is(stderr, "");
  t.true(stdout.includes(process.versions.node));
  t.regex(stdout, /^ {2}addon +\S+overfill\.node$/m);
  t.regex(stdout, /^ {2}threads +\d+: \S/m);
  t.regex(stdout, /^ {2}llama\.cpp +\d+\.\d+\.\d+/m);
  t.regex(stdout, /^ {2}device \S+ +cpu: /m);
  t.regex(stdout, /^ {2}answer +3 gray lamps .* right$/m);
  t.regex(stdout, /^Everything works\.$/m);
});

test.serial("--json gives the same as one object", async (t) => {
  const { stdout, exitCode } = await runCommand(["doctor", "--json"]);
  const report = JSON.parse(stdout);
  t.is(exitCode, 0);
  t.true(report.ok);
  t.is(report.node, process.versions.node);
  t.true(report.threads.threads >= 1);
  t.is(report.loaded.llamaVersion, report.binding.llamaVersionBuilt);
  t.is(report.trial.text, demoQuestions[0]?.answer);
  t.is(report.trial.handover.kind, "share");
  t.is(report.problem, undefined);
});

test.serial("without llama.cpp's libraries it says what to do, with exit status 1", async (t) => {
  const env = { OVERFILL_LLAMA_DIR: withTempDir(t) };
  const report = JSON.parse((await runCommand(["doctor", "--json"], { env })).stdout);
  if (report.binding.llamaOrigin === "source")
    return t.pass("llama.cpp is linked into the addon: no library can be missing");
  t.false(report.ok);
  t.is(report.problem.code, "ERR_PLATFORM_PACKAGE_MISSING");

  const { stdout, stderr, exitCode } = await runCommand(["doctor"], { env });
  t.regex(stdout, /^ {2}Node\.js +\S+$/m);
  t.notRegex(stdout, /Everything works/);
  t.regex(stderr, /^overfill: .*npm install .* \(ERR_PLATFORM_PACKAGE_MISSING\)\n$/);
  t.is(exitCode, 1);
});
