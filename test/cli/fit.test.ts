/** `overfill fit`, and `overfill inspect` of what it made. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import anyTest, { type TestFn } from "ava";
import { demoPair } from "../../lib/engine/demo-pair.js";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { dotPlaces, dotsOf } from "./chart-marks.js";
import { finishCommand, runCommand, showsProgress, startCommand } from "./command-process.js";

const test = anyTest as TestFn<{ folder: string; remove: () => Promise<void> }>;

/** A signal on Windows ends a process outright: there is nothing to test. */
const posixTest = process.platform === "win32" ? test.serial.skip : test.serial;

test.before(async (t) => {
  const { path: folder, remove } = makeTempDir();
  t.context = { folder, remove };
  await writeTinyModel(join(folder, "deep.gguf"), { nLayers: 4, nKvHeads: 4, name: "Deep & <wide>" });
  await writeTinyModel(join(folder, "shallow.gguf"), { seed: 2, name: "Shallow" });
  writeFileSync(join(folder, "text.txt"), "The cat sat on the mat; the dog sat in the fog.\n".repeat(200));
});

test.after.always((t) => t.context.remove?.());

const fitArgs = (folder: string, out: string, ...more: string[]) => [
  "fit",
  ...["--prefill", join(folder, "deep.gguf"), "--decode", join(folder, "shallow.gguf")],
  ...["--text", join(folder, "text.txt"), "-o", out, "--threads", "1", "--gpu", "off", ...more],
];

test.serial(
  "a fit tells the errors by layer and the losses before and after, and inspect tells them again",
  async (t) => {
    const { folder } = t.context;
    const out = join(folder, "t.gguf");
    const { stdout, stderr, exitCode } = await runCommand(fitArgs(folder, out, "--chunk-size", "128"));
    t.is(exitCode, 0, stderr);
    t.is(stderr, "");
    t.regex(stdout, /^Fitted to [\d,]+ tokens, measured on [\d,]+ others\.$/m);
    t.regex(stdout, /│ layer │ from │ map of K +│ map of V +│ error of K │ error of V │/);
    t.regex(stdout, /│ +0 │ +0 │ 128 to 64 │ 128 to 64 │ +\d\.\d{4} │ +\d\.\d{4} │/);
    t.regex(stdout, /│ +1 │ +3 │ 128 to 64 │/);
    t.regex(stdout, /│ two-stage, before: without the maps +│ +\d+\.\d{4} │/);
    t.regex(stdout, /│ two-stage, after: with the translator │ +\d+\.\d{4} │/);
    t.true(stdout.includes(`${out}: `));

    const inspected = await runCommand(["inspect", out]);
    t.is(inspected.exitCode, 0, inspected.stderr);
    t.regex(inspected.stdout, /│ prefill model +│ Deep & <wide> \(llama-[0-9a-f]{16}\) +│/);
    t.regex(inspected.stdout, /│ what it does +│ linear maps with bias per layer, one for K and one for V +│/);
    // The same two tables.
    const tables = stdout.split("\n\n").slice(0, 2);
    for (const table of tables)
      t.true(inspected.stdout.includes(table.slice(table.indexOf("┌"), table.lastIndexOf("┘"))), table);

    const json = JSON.parse((await runCommand(["inspect", out, "--json"])).stdout);
    t.like(json, { maps: "separate", weightType: "f16", beforeRope: true, target: { name: "Shallow" } });
    t.is(json.layers.length, 2);

    const used = await runCommand([
      ...["run", "--prefill", join(folder, "deep.gguf"), "--decode", join(folder, "shallow.gguf")],
      ...["--translator", out, "-p", "The cat", "--max-tokens", "3", "--temp", "0", "--json"],
    ]);
    t.is(used.exitCode, 0, used.stderr);
    t.is(JSON.parse(used.stdout).handover.kind, "translate");
  },
);

test.serial("--plot draws a dot for every layer's K and V", async (t) => {
  const { folder } = t.context;
  const out = join(folder, "plotted.gguf");
  const fitted = await runCommand(fitArgs(folder, out, "--quiet", "--max-tokens", "3000", "--layer-map", "2,1"));
  t.is(fitted.exitCode, 0, fitted.stderr);
  t.is(fitted.stdout, "");
  const plot = join(folder, "errors.svg");
  const { exitCode, stdout, stderr } = await runCommand(["inspect", out, "--plot", plot]);
  t.is(exitCode, 0, stderr);
  t.regex(stdout, /│ +0 │ +2 │/);
  const svg = readFileSync(plot, "utf8");
  t.regex(svg, /^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"[^>]*>\n/);
  t.true(svg.endsWith("</svg>\n"));
  t.true(svg.includes("Deep &amp; &lt;wide&gt; to Shallow"));
  t.is(dotsOf(svg), 4);
  t.notRegex(svg, /NaN|undefined/);
  // A dot stands as high as its error: the largest is the highest.
  const { layers } = JSON.parse((await runCommand(["inspect", out, "--json"])).stdout) as {
    layers: { errorK: number; errorV: number }[];
  };
  const errors = [...layers.map(({ errorK }) => errorK), ...layers.map(({ errorV }) => errorV)];
  const heights = dotPlaces(svg).map(({ y }) => y);
  t.is(errors.indexOf(Math.max(...errors)), heights.indexOf(Math.min(...heights)));
});

test.serial("--json gives the result as one object", async (t) => {
  const { folder } = t.context;
  const out = join(folder, "json.gguf");
  const { stdout } = await runCommand(fitArgs(folder, out, "--json", "--maps", "common", "--weight-type", "q8_0"));
  const result = JSON.parse(stdout);
  t.like(result, { path: out, maps: "common", weightType: "q8_0" });
  t.true(result.fitTokens > result.heldOutTokens && result.heldOutTokens > 0 && result.ms > 0);
  t.true(result.loss.mapped > 0 && result.loss.unmapped > 0 && result.loss.alone > 0);
});

const failures: readonly (readonly [title: string, more: readonly string[], stderr: RegExp, exitCode: number])[] = [
  ["a text that is not there", ["--text", "none.txt"], /^overfill: none\.txt .*\(ERR_FILE_READ_FAILED\)$/, 1],
  ["a folder that is not there", ["-o", "/none/t.gguf"], /\(ERR_FILE_WRITE_FAILED\)$/, 1],
  ["a model that is not there", ["--prefill", "none.gguf"], /\(ERR_MODEL_NOT_FOUND\)$/, 1],
  ["models that are no pair", ["--prefill", String(demoPair.prefill.model)], /\(ERR_PAIR_INCOMPATIBLE\)$/, 1],
  ["a flag out of range", ["--held-out", "2"], /^overfill: --held-out: .*2 \(ERR_INVALID_ARGUMENT\)$/, 2],
  ["a layer that is not there", ["--layer-map", "0,9"], /^overfill: --layer-map: .*layer 9.*ERR_INVALID_ARGUMENT/, 2],
  ["a layer map without a meaning", ["--layer-map", "some"], /^overfill: option '--layer-map <layers>'/, 2],
  ["too little text", ["--max-tokens", "20"], /^overfill: --text: .*tokens/, 2],
];

for (const [title, more, stderr, exitCode] of failures)
  test.serial(`${title} is told in one line with exit status ${exitCode}`, async (t) => {
    const out = join(withTempDir(t), "t.gguf");
    const result = await runCommand(fitArgs(t.context.folder, out, ...more));
    t.is(result.stdout, "");
    t.regex(result.stderr.trimEnd(), stderr);
    t.is(result.stderr.trimEnd().split("\n").length, 1);
    t.is(result.exitCode, exitCode);
    t.false(existsSync(out));
  });

test.serial("a fit without its files names the first that is missing", async (t) => {
  const { stderr, exitCode } = await runCommand(["fit", "--prefill", "a.gguf"]);
  t.regex(stderr, /^overfill: required option '--decode <file>' not specified\n$/);
  t.is(exitCode, 2);
});

test.serial("--plot is refused for what has no errors to draw", async (t) => {
  const folder = withTempDir(t);
  const { stderr, exitCode } = await runCommand([
    ...["inspect", String(demoPair.prefill.model), "--plot", join(folder, "x.svg")],
  ]);
  t.regex(stderr, /^overfill: --plot: only a translator has errors to draw\n$/);
  t.is(exitCode, 2);
  t.deepEqual(readdirSync(folder), []);
});

test.serial("a damaged translator is told as one", async (t) => {
  const { folder } = t.context;
  const out = join(folder, "whole.gguf");
  await runCommand(fitArgs(folder, out, "--quiet", "--max-tokens", "1500"));
  const damaged = join(folder, "damaged.gguf");
  writeFileSync(damaged, readFileSync(out).subarray(0, -1000));
  const { stdout, stderr, exitCode } = await runCommand(["inspect", damaged]);
  t.is(stdout, "");
  t.regex(stderr, /^overfill: .*damaged\.gguf is truncated: .*\(ERR_TRANSLATOR_INVALID\)\n$/);
  t.is(exitCode, 1);
});

posixTest("Ctrl-C ends a fit quietly with status 130 and leaves no file", async (t) => {
  const { folder } = t.context;
  const long = join(folder, "long.txt");
  // Minutes of text, so that no fit is over before its signal comes.
  writeFileSync(long, readFileSync(join(folder, "text.txt"), "utf8").repeat(1000));
  const target = withTempDir(t);
  const child = startCommand(fitArgs(folder, join(target, "t.gguf"), "--text", long), { observed: "terminal" });
  await showsProgress(child);
  child.kill("SIGINT");
  const { stdout, stderr, exitCode } = await finishCommand(child);
  t.deepEqual({ stdout, exitCode }, { stdout: "", exitCode: 130 });
  t.notRegex(stderr, /overfill:/);
  t.deepEqual(readdirSync(target), []);
});
