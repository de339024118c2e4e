/**
 * The package's matrix kernels as an option and as a fact of a pair. Whether they are faster here is not asked. The whole
 * suite may run with OVERFILL_KERNELS=on or off (CONTRIBUTING.md), which then holds for both pairs.
 */

import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { type LoadPairOptions, loadPair } from "../../lib/index.js";
import { withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { quiet, someTokens } from "./fixtures.js";

const wide = { nEmbd: 256, nFf: 256, weightType: "q8_0" } as const;

async function open(t: ExecutionContext, options: Partial<LoadPairOptions> = {}) {
  const { path } = await writeTinyModel(join(withTempDir(t), "model.gguf"), wide);
  const pair = await loadPair({ ...quiet, gpu: false, prefill: { model: path }, ...options } as LoadPairOptions);
  t.teardown(() => pair.dispose());
  return { pair, path };
}

test("a pair tells which kernels it uses, why, and how they did when they were tried", async (t) => {
  const { pair } = await open(t);
  const { instructions, reason, speedUps } = pair.info.kernels;
  t.true(instructions === false || ["avx512-vnni", "avx-vnni", "avx2"].includes(instructions));
  t.not(reason, "");
  for (const [type, { one, few, many }] of Object.entries(speedUps)) {
    t.is(type, "q8_0");
    t.true(one > 0 && few > 0 && many > 0);
  }
});

test("without them a pair says so, and writes what it writes with them", async (t) => {
  const { pair: withKernels, path } = await open(t);
  const without = await loadPair({ ...quiet, gpu: false, prefill: { model: path }, kernels: false });
  t.teardown(() => without.dispose());
  const { kernels } = withKernels.info;
  const isForced = process.env.OVERFILL_KERNELS === "on" && kernels.instructions !== false;
  const refused = { instructions: false, reason: "they were not wanted", speedUps: {} };
  t.deepEqual(without.info.kernels, isForced ? kernels : refused);
  const answers = await Promise.all(
    [withKernels, without].map(async (pair) => {
      const session = await pair.createSession();
      return (await session.generate(someTokens(60), { temperature: 0, maxTokens: 24, ignoreEos: true })).text;
    }),
  );
  t.is(answers[0], answers[1]);
});

test("another value is refused", async (t) => {
  const options = { prefill: { model: "model.gguf" }, kernels: true } as unknown as LoadPairOptions;
  await t.throwsAsync(loadPair(options), { code: "ERR_INVALID_ARGUMENT", message: /options\.kernels/ });
});

for (const wish of ["on", "off"])
  test(`OVERFILL_KERNELS=${wish} holds for the whole process`, async (t) => {
    const { path } = await writeTinyModel(join(withTempDir(t), "model.gguf"), wide);
    const index = fileURLToPath(new URL("../../lib/index.ts", import.meta.url));
    const program = `
      import { loadPair } from ${JSON.stringify(index)};
      const pair = await loadPair({ prefill: { model: ${JSON.stringify(path)} }, gpu: false });
      console.log(JSON.stringify(pair.info.kernels));
      await pair.dispose();`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--import=tsx", "--input-type=module", "--eval", program],
      { env: { ...process.env, OVERFILL_KERNELS: wish } },
    );
    const { instructions, reason } = JSON.parse(stdout);
    if (wish === "off")
      t.deepEqual({ instructions, reason }, { instructions: false, reason: "OVERFILL_KERNELS is off" });
    else t.true(instructions === false || reason === "OVERFILL_KERNELS is on");
  });
