/**
 * Pairs on a GPU device and across devices. Needs a GPU package and a driver, a software one will do
 * (`GGML_VK_VISIBLE_DEVICES=0` with Mesa's llvmpipe); where there is none each test says so and passes.
 */

import test, { type ExecutionContext } from "ava";
import { type LoadPairOptions, loadPair, OverfillError } from "../../lib/index.js";
import { lookupPair, lookupPrompt } from "../support/lookups.js";

const cpu = { gpuLayers: 0 } as const;

/** The answer and the handover on the device; undefined, with a note, where there is no device. */
async function answerOn(t: ExecutionContext, options: Omit<LoadPairOptions, "prefill" | "decode">, where: object[]) {
  try {
    const pair = await loadPair({
      ...options,
      prefill: { ...lookupPair.prefill, ...where[0] },
      decode: { ...lookupPair.decode, ...where[1] },
    });
    t.teardown(() => pair.dispose());
    const session = await pair.createSession();
    const { text, handover } = await session.generate(lookupPrompt, { temperature: 0, maxTokens: 8 });
    return { text, kind: handover.kind, moved: handover.bytes > 0 };
  } catch (error) {
    if (!OverfillError.isInstance(error) || error.code !== "ERR_GPU_UNAVAILABLE") throw error;
    t.log(`skipped, no device: ${t.title}`);
    return undefined;
  }
}

const shared = { text: " ball red kitchen", kind: "share", moved: false };
const copied = { text: " ball red kitchen", kind: "translate", moved: true };

test("a pair on a Vulkan device shares its cache there", async (t) => {
  t.deepEqual((await answerOn(t, { gpu: "vulkan" }, [{}, {}])) ?? shared, shared);
});

test("a pair split between device and CPU in the same way on both sides shares its cache", async (t) => {
  const half = { gpuLayers: 2 };
  t.deepEqual((await answerOn(t, { gpu: "vulkan" }, [half, half])) ?? shared, shared);
});

test("a cache goes from the device to the CPU by a copy", async (t) => {
  t.deepEqual((await answerOn(t, { gpu: "vulkan" }, [{}, cpu])) ?? copied, copied);
});

test("a cache goes from the CPU to the device by a copy", async (t) => {
  t.deepEqual((await answerOn(t, { gpu: "vulkan" }, [cpu, {}])) ?? copied, copied);
});

for (const implementation of ["auto", "cpu", "graph"] as const)
  test(`a cache is converted on its way between the device and the CPU (${implementation})`, async (t) => {
    const q8 = { cacheTypeK: "q8_0", cacheTypeV: "q8_0", flashAttention: true } as const;
    const options = { gpu: "vulkan", implementation } as const;
    for (const where of [
      [{}, cpu],
      [cpu, {}],
      [{}, {}],
    ])
      t.deepEqual((await answerOn(t, options, [where[0] ?? {}, { ...where[1], ...q8 }])) ?? copied, copied);
  });

test("asking for a device that is not there is refused, not asking for one never is", async (t) => {
  const other = process.platform === "darwin" ? "cuda" : "metal";
  const error = await t.throwsAsync(loadPair({ ...lookupPair, gpu: other }));
  t.true(OverfillError.isInstance(error) && error.code === "ERR_GPU_UNAVAILABLE");
  const pair = await loadPair({ ...lookupPair, gpu: false });
  t.is(pair.info.gpu, false);
  await pair.dispose();
});
