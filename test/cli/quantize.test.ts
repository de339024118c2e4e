/** `overfill quantize` and `overfill importance --imatrix` as commands. */

import { spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import anyTest, { type TestFn } from "ava";
import { makeTempDir, withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { writtenText } from "../support/written-text.js";
import { finishCommand, runCommand, showsProgress, startCommand } from "./command-process.js";

const test = anyTest as TestFn<{
  readonly folder: string;
  readonly model: string;
  readonly text: string;
  readonly remove: () => Promise<void>;
}>;

/** A signal on Windows ends a process outright, and there is no limit on the size of files. */
const posixTest = process.platform === "win32" ? test.serial.skip : test.serial;

/** Widths that every type can have. */
const wide = { nEmbd: 256, nFf: 512, nHeads: 4, nKvHeads: 2, headSize: 64 } as const;

test.before(async (t) => {
  const { path: folder, remove } = makeTempDir();
  const model = join(folder, "full.gguf");
  await writeTinyModel(model, { ...wide, nLayers: 2 });
  const text = join(folder, "text.txt");
  writeFileSync(text, await writtenText(model, { answers: 8 }));
  t.context = { folder, model, text, remove };
});

test.after.always((t) => t.context.remove?.());

test.serial("a model is quantised, what became of its tensors is told, and the pair runs", async (t) => {
  const { model } = t.context;
  const folder = withTempDir(t);
  const out = join(folder, "decode.gguf");
  const { stdout, stderr, exitCode } = await runCommand(["quantize", model, "-o", out, "Q4_K_M", "--threads", "1"]);
  t.is(exitCode, 0, stderr);
  t.is(stderr, "");
  t.regex(stdout, /│ weights +│ +[\d.]+ MiB │ +[\d.]+ (KiB|MiB) │ +\d\d\.\d% │/);
  t.regex(stdout, /│ bits a weight +│ +32\.00 │ +[456]\.\d\d │/);
  t.regex(stdout, /│ f32 +│ q4_k +│ +\d+ │ +[\d,]+ │/);
  t.false(stdout.includes("fell back"));
  t.true(stdout.includes(`overfill run --prefill ${model} --decode ${out}`));
  t.deepEqual(readdirSync(folder), ["decode.gguf"]);
  const used = await runCommand([
    ...["run", "--prefill", model, "--decode", out, "-p", "a", "--max-tokens", "3", "--json"],
  ]);
  t.is(used.exitCode, 0, used.stderr);
  t.is(JSON.parse(used.stdout).handover.kind, "share");
});

test.serial("an importance matrix is measured, and quantised by", async (t) => {
  const { model, text } = t.context;
  const folder = withTempDir(t);
  const [matrix, out] = [join(folder, "full.imatrix.gguf"), join(folder, "decode.gguf")];
  const quiet = ["--threads", "1", "--gpu", "off"];
  const measuring = ["importance", model, "--imatrix", "-o", matrix, "--text", text, "--window", "64", ...quiet];
  const measured = await runCommand(measuring);
  t.is(measured.exitCode, 0, measured.stderr);
  t.regex(
    measured.stdout,
    /full\.imatrix\.gguf: an importance matrix of 14 tensors, from\s+\d+ samples of 64 tokens\.\n/,
  );
  t.regex(measured.stdout, /Next: overfill quantize .* --importance /);
  const asJson = JSON.parse((await runCommand([...measuring, "--merge", matrix, "--json"])).stdout);
  t.is(asJson.samples * 64, 2 * asJson.tokens);
  const made = await runCommand(["quantize", model, "-o", out, "iq2_xs", "--importance", matrix, "--threads", "2"]);
  t.is(made.exitCode, 0, made.stderr);
  t.regex(made.stdout, /^14 tensors were quantised by the importance matrix\.$/m);
});

test.serial("types of tensors, parts and what falls back", async (t) => {
  const { model } = t.context;
  const folder = withTempDir(t);
  const args = ["quantize", model, "-o", join(folder, "q.gguf"), "q4_0", "--max-part-size", "200KB", "--json"];
  const types = ["--tensor-type", "attn_v=Q8_0", "--tensor-type", "blk\\.0\\.=f16", "--output-tensor-type", "F16"];
  const made = await runCommand([...args, ...types, "--threads", "1"]);
  t.is(made.exitCode, 0, made.stderr);
  const { tensors, paths } = JSON.parse(made.stdout);
  const typeOf = (name: string) => tensors.find((tensor: { name: string }) => tensor.name === `${name}.weight`)?.after;
  t.deepEqual(["blk.0.attn_v", "blk.0.attn_q", "blk.1.attn_v", "blk.1.attn_q"].map(typeOf), [
    ...["q8_0", "f16", "q8_0", "q4_0"],
  ]);
  t.deepEqual(readdirSync(folder).length, paths.length);
  const narrow = join(folder, "narrow.gguf");
  await writeTinyModel(narrow, {});
  const fallen = await runCommand(["quantize", narrow, "-o", join(folder, "n.gguf"), "q4_k_m", "--threads", "1"]);
  t.regex(
    fallen.stdout.replaceAll("\n", " "),
    /\d+ of \d+ tensors fell back to another type.*64 columns: q5_0 in place/,
  );
});

test.serial("the types are a table", async (t) => {
  const { stdout, exitCode } = await runCommand(["quantize", "--types"]);
  t.is(exitCode, 0);
  t.regex(stdout, /│ q4_k_m +│ useful +│/);
  t.regex(stdout, /│ iq2_xs +│ needed +│/);
  const rows = JSON.parse((await runCommand(["quantize", "--types", "--json"])).stdout);
  t.true(rows.some(({ name, importance }: Record<string, string>) => name === "q8_0" && importance === "unused"));
});

const failures: readonly (readonly [title: string, more: readonly string[], stderr: RegExp, exitCode: number])[] = [
  ["an unknown type", ["q9"], /^overfill: <type>: expected one of "copy", "f32", .*"q9"/, 2],
  ["a missing importance matrix", ["iq2_xs"], /^overfill: --importance: iq2_xs needs .*\(ERR_INVALID_ARGUMENT\)$/, 2],
  ["a matrix that is not there", ["q4_0", "--importance", "none.gguf"], /\(ERR_FILE_READ_FAILED\)$/, 1],
  ["a folder that is not there", ["q4_0", "-o", "/none/q.gguf"], /\(ERR_FILE_WRITE_FAILED\)$/, 1],
  ["a type without a pattern", ["q4_0", "--tensor-type", "=q8_0"], /^overfill: option '--tensor-type .*Expected a/, 2],
  ["a pattern without a type", ["q4_0", "--tensor-type", "ffn"], /^overfill: option '--tensor-type .*Expected a/, 2],
  ["a pattern that is there twice", ["q4_0", "--tensor-type", "a=f16", "--tensor-type", "a=f32"], /there twice/, 2],
  ["a pattern of nothing", ["q4_0", "--tensor-type", "zz=f16"], /^overfill: --tensor-type: no tensor .*'zz'/, 2],
  ["a type that no tensor has", ["q4_0", "--tensor-type", "ffn=q9"], /^overfill: --tensor-type: expected one of/, 2],
  [
    "an output of two kinds",
    ["q4_0", "--leave-output-tensor", "--output-tensor-type", "f16"],
    /--output-tensor-type: /,
    2,
  ],
];

for (const [title, more, stderr, exitCode] of failures)
  test.serial(`${title} is told in one line with exit status ${exitCode}`, async (t) => {
    const folder = withTempDir(t);
    const result = await runCommand(["quantize", t.context.model, "-o", join(folder, "q.gguf"), ...more]);
    t.is(result.stdout, "");
    t.regex(result.stderr.trimEnd(), stderr);
    t.is(result.stderr.trimEnd().split("\n").length, 1);
    t.is(result.exitCode, exitCode);
    t.deepEqual(readdirSync(folder), []);
  });

test.serial("a model is not written over itself, and not quantised twice unasked", async (t) => {
  const { model } = t.context;
  const folder = withTempDir(t);
  const over = await runCommand(["quantize", model, "-o", model, "q4_0"]);
  t.regex(over.stderr, /^overfill: --out: .*\(ERR_INVALID_ARGUMENT\)\n$/);
  const [once, twice] = [join(folder, "once.gguf"), join(folder, "twice.gguf")];
  await runCommand(["quantize", model, "-o", once, "q8_0", "--quiet"]);
  const refused = await runCommand(["quantize", once, "-o", twice, "q4_0"]);
  t.regex(refused.stderr, /^overfill: --allow-requantize: .*\(ERR_INVALID_ARGUMENT\)\n$/);
  const allowed = await runCommand(["quantize", once, "-o", twice, "q4_0", "--allow-requantize", "--quiet"]);
  t.deepEqual(allowed, { stdout: "", stderr: "", exitCode: 0, signal: null });
});

test.serial("what is missing is told, and prune without a size points here", async (t) => {
  const { model } = t.context;
  const said = async (...args: string[]) => (await runCommand(args)).stderr;
  t.is(await said("quantize"), "overfill: missing required argument 'model'\n");
  t.regex(
    await said("quantize", model),
    /^overfill: missing required argument 'type': overfill quantize --types lists/,
  );
  t.is(await said("quantize", model, "q4_0"), "overfill: required option '-o, --out <file>' not specified\n");
  t.regex(await said("prune", model, "-o", "p.gguf"), /nothing to prune: .*overfill quantize makes/);
  const both = await said("importance", model, "--imatrix", "-o", "m.gguf", "--text", "t", "--windows-per-batch", "2");
  t.regex(both, /^overfill: --windows-per-batch cannot be used with --imatrix/);
});

posixTest("a file that cannot grow fails with a code and is not left behind", async (t) => {
  const folder = withTempDir(t);
  // Blocks of 512 or 1024 bytes; Node ignores the signal, so that writing fails as it does on a full disk.
  const command = [process.execPath, fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url))];
  const args = ["quantize", t.context.model, "-o", join(folder, "q.gguf"), "q8_0"];
  const child = spawn("sh", ["-c", 'ulimit -f 200; exec "$0" "$@"', ...command, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { stderr, exitCode } = await finishCommand(child);
  t.regex(stderr, /\(ERR_FILE_WRITE_FAILED\)\n$/);
  t.is(exitCode, 1);
  t.deepEqual(readdirSync(folder), []);
});

posixTest("Ctrl-C ends the work with 130 and leaves what was there", async (t) => {
  const folder = withTempDir(t);
  const out = join(folder, "q.gguf");
  writeFileSync(out, "before");
  // Seconds of work in one of the slowest types, so that it is not over before its signal comes.
  const { path: long } = await writeTinyModel(join(t.context.folder, "long.gguf"), { ...wide, nLayers: 12 });
  const child = startCommand(["quantize", long, "-o", out, "iq3_s", "--threads", "1"], { observed: "terminal" });
  await showsProgress(child);
  child.kill("SIGINT");
  const { stdout, stderr, exitCode } = await finishCommand(child);
  t.deepEqual({ stdout, exitCode }, { stdout: "", exitCode: 130 });
  t.notRegex(stderr, /overfill:/);
  t.is(readFileSync(out, "utf8"), "before");
  t.deepEqual(readdirSync(folder), ["q.gguf"]);
});
