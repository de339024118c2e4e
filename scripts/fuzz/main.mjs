/**
 * `npm run fuzz`: clang's libFuzzer, guided by coverage and with the sanitizers, over what reads files and texts that anybody
 * may have written: the programs of native/test/fuzz (docs/reliability.md).
 *
 *     npm run fuzz -- [--minutes N] [--target NAME,...] [--jobs N] [--out DIR]
 *     npm run fuzz -- --target NAME --input FILE
 *
 *     --minutes N        how long, for all targets together; 11 if left out
 *     --target NAME,...  by their files' names without "fuzz_"; all if left out
 *     --jobs N           targets at once; the cores of this machine if left out
 *     --input FILE       one input again, such as one that was found
 *     --out DIR          where inputs are kept, of each target; build/fuzz-corpus if left out. A later run begins with them
 *
 * Needs clang, named by CXX or found as clang++ or clang++-14 and later, and a built clone. Ends with 1 if there is a finding;
 * the input then lies in the target's folder, and belongs into native/test/fuzz/corpus, which every build reads.
 */

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { jobs as cores, readConfiguration, treeDirectory } from "../build/configuration.mjs";
import { fail, root } from "../build/package-root.mjs";

const text = { type: "string" };
const { values } = parseArgs({
  options: { minutes: text, target: text, jobs: text, input: text, out: text },
});

function numberOf(name, otherwise) {
  const value = Number(values[name] ?? otherwise);
  if (!(value > 0)) fail(`--${name}: expected a number above 0`);
  return value;
}

const sources = join(root, "native", "test", "fuzz");
const known = readdirSync(sources).flatMap((file) => /^fuzz_(\w+)\.cpp$/.exec(file)?.[1] ?? []);
const targets = values.target?.split(",") ?? known;
const unknown = targets.find((name) => !known.includes(name));
if (unknown !== undefined) fail(`--target: nothing is named ${unknown}; there are ${known.join(", ")}`);
if (values.input !== undefined && targets.length !== 1) fail("--input: name its --target");
const minutes = numberOf("minutes", 11);
const jobs = numberOf("jobs", cores);
const out = resolve(values.out ?? join(root, "build", "fuzz-corpus"));

function findClang() {
  const newest = 22;
  const names = ["clang++", ...Array.from({ length: newest - 13 }, (_, i) => `clang++-${newest - i}`)];
  for (const cxx of [process.env.CXX, ...names])
    if (cxx?.includes("clang") && spawnSync(cxx, ["--version"]).status === 0) return cxx;
  return fail("clang was not found; CXX names it");
}

function run(program, args) {
  const { status, error } = spawnSync(program, args, { stdio: ["ignore", "inherit", "inherit"], cwd: root });
  if (error) fail(`${program} could not be started: ${error.message}`);
  if (status !== 0) fail(`${program} failed`);
}

function buildTargets() {
  const cxx = findClang();
  const { mode, definitions } = readConfiguration();
  const tree = treeDirectory(mode === "prebuilt" ? "fuzz" : `fuzz-${mode}`);
  const all = {
    ...definitions,
    ...{ OVERFILL_FUZZ: "ON", OVERFILL_TESTS: "ON" },
    ...{ CMAKE_CXX_COMPILER: cxx, CMAKE_C_COMPILER: cxx.replace("clang++", "clang") },
  };
  run("cmake", ["-S", root, "-B", tree, ...Object.entries(all).map(([name, value]) => `-D${name}=${value}`)]);
  const programs = targets.flatMap((name) => [`fuzz_${name}`, `replay_${name}`]);
  run("cmake", ["--build", tree, "--parallel", String(cores), "--target", ...programs]);
  return { folder: join(tree, "native", "test", "fuzz"), libraries: definitions.OVERFILL_LLAMA_LIBRARY_DIR };
}

/** Of what ends the process; the longest takes a chat template that uses up its budget. */
const bounds = ["-timeout=120", "-rss_limit_mb=4096", "-max_len=65536"];

/** The engine's threads come and go, and the fuzzer takes what they hold for left behind. */
const withThreads = new Set(["saved_session", "template", "prefix_block"]);

function environmentOf(libraries) {
  // Inputs become files.
  const memory = "/dev/shm";
  return {
    ...process.env,
    ...{ GGML_NO_BACKTRACE: "1", OVERFILL_TEST_BACKENDS: libraries, LD_LIBRARY_PATH: libraries },
    ...{ UBSAN_OPTIONS: "print_stacktrace=1", ...(existsSync(memory) && { TMPDIR: memory }) },
  };
}

/** What the fuzzer keeps when an input ends the process or takes too long, by the names that it gives. */
const findingsIn = (folder) => readdirSync(folder).filter((name) => /^(crash|leak|oom|timeout)-/.test(name));

/** @returns the findings, and the last lines of what the fuzzer said */
function fuzz(name, { folder, libraries }, seconds) {
  const own = join(out, name);
  const [corpus, seeds, kept] = [join(own, "corpus"), join(own, "seeds"), join(sources, "corpus", name)];
  mkdirSync(corpus, { recursive: true });
  const env = environmentOf(libraries);
  const replay = spawnSync(join(folder, `replay_${name}`), ["--seeds", seeds], { env, stdio: "inherit" });
  if (replay.status !== 0) fail(`the seeds of ${name} could not be written`);
  const before = findingsIn(own);
  const child = spawn(
    join(folder, `fuzz_${name}`),
    [
      ...[`-max_total_time=${seconds}`, `-artifact_prefix=${own}/`, "-print_final_stats=1", ...bounds],
      ...(withThreads.has(name) ? ["-detect_leaks=0"] : []),
      ...[corpus, seeds, ...(existsSync(kept) ? [kept] : [])],
    ],
    { env, stdio: ["ignore", "ignore", "pipe"] },
  );
  const lines = [];
  child.stderr.setEncoding("utf8").on("data", (piece) => {
    lines.push(...piece.split("\n").filter((line) => line !== ""));
    lines.splice(0, lines.length - 200);
  });
  return new Promise((done) => {
    child.on("close", (code) => {
      const figures = [...lines.join("\n").matchAll(/stat::(\w+):\s+(\d+)/g)].map(([, key, value]) => [key, value]);
      const { number_of_executed_units: inputs = "?" } = Object.fromEntries(figures);
      const [, edges = "?"] = /.*cov: (\d+)/s.exec(lines.join("\n")) ?? [];
      console.log(`${name}: ${inputs} inputs, ${edges} edges, ${readdirSync(corpus).length} kept`);
      const found = findingsIn(own).filter((file) => !before.includes(file));
      if (code !== 0) console.log(lines.slice(-120).join("\n"));
      for (const file of found) console.log(`found: npm run fuzz -- --target ${name} --input ${join(own, file)}`);
      done(code === 0 ? 0 : Math.max(1, found.length));
    });
  });
}

const built = buildTargets();
if (values.input !== undefined) {
  if (!statSync(values.input).isFile()) fail("--input: expected a file");
  const program = join(built.folder, `fuzz_${targets[0]}`);
  const { status } = spawnSync(program, [resolve(values.input)], {
    env: environmentOf(built.libraries),
    stdio: "inherit",
  });
  process.exitCode = status === 0 ? 0 : 1;
} else {
  const waiting = [...targets];
  const seconds = Math.max(1, Math.round((minutes * 60 * Math.min(jobs, targets.length)) / targets.length));
  let findings = 0;
  const worker = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift())
      findings += await fuzz(name, built, seconds);
  };
  await Promise.all(Array.from({ length: Math.min(jobs, targets.length) }, worker));
  console.log(`${findings} findings; inputs are kept in ${out}`);
  process.exitCode = findings > 0 ? 1 : 0;
}
