/**
 * Every architecture of the table is taken apart as the slow reference does it: importance, what is kept, what is written;
 * llama.cpp runs the result, on the KV cache of its parent.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { inspect } from "../../lib/index.js";
import { type PruneOptions, pad, prunableArchitectures, prune, readImportance } from "../../lib/prune/index.js";
import { openPair, quiet, refusal, someTokens } from "../engine/fixtures.js";
import { referenceDistance, tight, toleranceOf } from "../engine/reference-distance.js";
import { decodeGguf, type GgufContents, readGguf, tensorValues } from "../support/gguf-reader.js";
import { encodeGguf, type GgufFile } from "../support/gguf-writer.js";
import { mulberry32 } from "../support/random.js";
import type { Vector } from "../support/reference-arithmetic.js";
import { referenceForward } from "../support/reference-forward.js";
import { referenceImportance, referenceLoss, topHeads, topIndices } from "../support/reference-importance.js";
import { referenceModel } from "../support/reference-model.js";
import { carriedBy, keepAll, referenceSlice } from "../support/reference-slicing.js";
import { withTempDir } from "../support/temp-dir.js";
import { type Architecture, type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";
import { architectures, featuresOf } from "../support/tiny-model-architectures.js";
import { builtInTokenizer } from "../support/tokenizers.js";

const window = 40;
const nSamples = 6;

/** Rows whose width and heads go together or not at all. */
const rigid: readonly string[] = ["olmo2", "exaone4"];

/** Rows whose width is their heads'. */
const isSquare = (architecture: Architecture) => featuresOf(architecture).square === true;

/** A text of tokens that are known: letters and digits that the tokenizer does not merge, and some more than windows take. */
function calibrationText(folder: string): { readonly text: string; readonly windows: readonly number[][] } {
  const { tokens, metadata } = builtInTokenizer("bpe");
  const bos = metadata.get("tokenizer.ggml.bos_token_id");
  const random = mulberry32(3);
  const letters = "bcdfgjkpquvxyz0123456789";
  const characters = Array.from({ length: nSamples * (window - 1) + 7 }, () =>
    letters.charAt(random() * letters.length),
  );
  const text = join(folder, "text.txt");
  writeFileSync(text, characters.join(""));
  const ids = characters.map((character) => tokens.indexOf(character));
  const windows = Array.from({ length: nSamples }, (_, i) => [
    bos?.type === "u32" ? bos.value : -1,
    ...ids.slice(i * (window - 1), (i + 1) * (window - 1)),
  ]);
  return { text, windows };
}

/** Compares a list of numbers, to a share of its largest. */
function nearly(
  t: ExecutionContext,
  actual: ArrayLike<number> | undefined,
  expected: ArrayLike<number>,
  share: number,
  title: string,
): void {
  const list = Array.from(actual ?? []);
  t.is(list.length, expected.length, title);
  const largest = Array.from(expected).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const worst = list.reduce((most, value, i) => Math.max(most, Math.abs(value - (expected[i] ?? Number.NaN))), 0);
  t.true(worst <= share * largest, `${title}: off by ${worst} of ${largest}`);
}

/** Compares a written model with what a slice of its parent holds. */
function holds(t: ExecutionContext, written: GgufContents, slice: GgufFile): void {
  const names = (tensors: readonly { readonly name: string }[]) => tensors.map(({ name }) => name).sort();
  t.deepEqual(names(written.tensors), names(slice.tensors));
  for (const { name, dims, values } of slice.tensors) {
    t.deepEqual(written.tensors.find((tensor) => tensor.name === name)?.dims, dims, name);
    nearly(t, tensorValues(written, name), values, 1e-6, name);
  }
  const { eps } = referenceModel(written).shape;
  nearly(t, [eps], [referenceModel(decodeGguf(encodeGguf(slice).bytes)).shape.eps], 1e-6, "epsilon");
}

const logitsOf = (contents: GgufContents): Vector[] => [...referenceForward(contents, someTokens(20)).logits];

/** The metadata too says what the slice's does: the slow pass computes the same of both. */
function computes(t: ExecutionContext, written: GgufContents, slice: GgufFile): void {
  const expected = logitsOf(decodeGguf(encodeGguf(slice).bytes));
  for (const [position, row] of logitsOf(written).entries())
    nearly(t, row, expected[position] ?? [], 1e-4, `logits at ${position}`);
}

async function parentOf(t: ExecutionContext, options: TinyModelOptions) {
  const folder = withTempDir(t);
  const model = join(folder, "full.gguf");
  await writeTinyModel(model, { slidingWindow: { window: 16, pattern: 2 }, ...options });
  const contents = await readGguf(model);
  return { folder, model, contents, shape: referenceModel(contents).shape };
}

/** llama.cpp computes what the slow pass does, and decodes with it on its parent's cache. */
async function runs(t: ExecutionContext, model: string, out: string, architecture: string) {
  const alone = await openPair(t, { prefill: out, ...tight });
  const distance = await referenceDistance(alone, out, someTokens(40));
  t.true(distance < toleranceOf(architecture), `log-probabilities differ by ${distance}`);

  const { plan } = await inspect({ prefill: { model }, decode: { model: out } });
  t.is(plan.kind, "share", JSON.stringify(plan.reasons));
  const pair = await openPair(t, { prefill: model, decode: out, contextSize: 128 });
  await using session = await pair.createSession();
  const answer = await session.generate(someTokens(20), { temperature: 0, maxTokens: 5, ignoreEos: true });
  t.is(answer.handover.kind, "share");
  t.is(answer.decode.tokens, 5);
}

test("the table has a tiny model for every row", (t) => {
  t.deepEqual(
    prunableArchitectures()
      .map(({ name }) => name)
      .sort(),
    [...architectures].sort(),
  );
});

for (const architecture of architectures) {
  const isRigid = rigid.includes(architecture);

  test(`${architecture} is pruned as the slow reference prunes it, and decodes on its parent's cache`, async (t) => {
    const { folder, model, contents, shape } = await parentOf(t, { architecture });
    const { text, windows } = calibrationText(folder);
    const out = join(folder, "pruned.gguf");
    const saveImportance = join(folder, "importance.gguf");
    const options = {
      ...quiet,
      ...{ model, hidden: 0.5, ffn: 0.5, ...(isRigid && { heads: 0.5 }) },
      ...{ multiple: 32, window, quantize: "f32", measure: false },
    } as const satisfies Partial<PruneOptions>;
    const result = await prune({ ...options, out, text, saveImportance });

    const passes = windows.map((tokens) => referenceForward(contents, tokens));
    const expected = referenceImportance(shape, passes);
    const measured = await readImportance(saveImportance);
    const share = 1e-4;
    t.like(measured, { samples: nSamples, tokens: nSamples * window, window });
    nearly(t, [measured?.loss ?? 0], [referenceLoss(windows, passes)], share, "loss");
    for (const mean of ["signed", "absolute"] as const) {
      nearly(t, measured?.hidden[mean], expected.hidden[mean], share, `hidden, ${mean}`);
      for (let layer = 0; layer < shape.nLayers; layer++) {
        const where = `layer ${layer}, ${mean}`;
        nearly(t, measured?.hiddenByLayer[mean][layer], expected.hiddenByLayer[mean][layer] ?? [], share, where);
        nearly(t, measured?.feedForward[mean][layer], expected.feedForward[mean][layer] ?? [], share, where);
        nearly(t, measured?.heads[layer], expected.heads[layer] ?? [], share, where);
      }
    }
    nearly(t, measured?.blockInfluence, expected.blockInfluence, share, "block influence");

    const all = keepAll(shape);
    const kept = {
      ...all,
      hidden: topIndices(expected.hidden.signed, shape.nEmbd / 2),
      ffn: expected.feedForward.signed.map((scores) => topIndices(scores, shape.nFf / 2)),
      heads: isRigid ? expected.heads.map((scores) => topHeads(scores, shape.nKvHeads, 1)) : all.heads,
    };
    const { ffn: feedForward, ...others } = kept;
    t.deepEqual(result.kept, { ...others, feedForward });
    t.like(result.after, { hiddenSize: shape.nEmbd / 2, feedForwardSize: shape.nFf / 2, layers: shape.nLayers });

    const slice = carriedBy(result.architecture.after, referenceSlice(contents, kept));
    const written = await readGguf(out);
    holds(t, written, slice);
    computes(t, written, slice);

    const plain = join(folder, "plain.gguf");
    await prune({ ...options, out: plain, importance: saveImportance, compensate: false });
    const plainSlice = carriedBy(result.architecture.after, referenceSlice(contents, kept, { compensate: false }));
    holds(t, await readGguf(plain), plainSlice);

    await runs(t, model, out, architecture);
  });

  test(`${architecture} loses layers and heads as in the slow reference`, async (t) => {
    const nLayers = architecture === "baichuan" ? 32 : 4;
    const { folder, model, contents, shape } = await parentOf(t, { architecture, nLayers });
    const { text, windows } = calibrationText(folder);
    const out = join(folder, "pruned.gguf");
    // Every fourth layer of smollm3 has no RoPE; baichuan has RoPE in 32 layers only, and needs a carrier for fewer.
    const stay = nLayers === 4 ? (architecture === "smollm3" ? [0, 1, 2] : [0, 2, 3]) : [...Array(16).keys()];
    const result = await prune({
      ...quiet,
      ...{ model, out, text, layers: stay, heads: 0.5, ...(isSquare(architecture) && { hidden: 0.5 }) },
      ...{ multiple: 32, window, quantize: "f32", measure: false },
    });

    const expected = referenceImportance(
      shape,
      windows.map((tokens) => referenceForward(contents, tokens)),
    );
    const all = keepAll(shape);
    const own = <T>(list: readonly T[]) => stay.map((layer) => list[layer] as T);
    const kept = {
      hidden: isSquare(architecture) ? topIndices(expected.hidden.signed, shape.nEmbd / 2) : all.hidden,
      layers: stay,
      ffn: own(all.ffn),
      heads: own(expected.heads).map((scores) => topHeads(scores, shape.nKvHeads, 1)),
      kvHeads: own(all.kvHeads),
    };
    const { ffn: feedForward, ...others } = kept;
    t.deepEqual(result.kept, { ...others, feedForward });
    const slice = carriedBy(result.architecture.after, referenceSlice(contents, kept));
    const written = await readGguf(out);
    holds(t, written, slice);
    computes(t, written, slice);
    await runs(t, model, out, architecture);
  });

  test(`${architecture} is padded as the slow reference pads it`, async (t) => {
    const { folder, model, contents, shape } = await parentOf(t, { architecture });
    const out = join(folder, "padded.gguf");
    const padding = pad({ model, out, multiple: 96, threads: 1 });
    if (isRigid) {
      await refusal(t, "ERR_PRUNE_UNSUPPORTED", padding);
      return;
    }
    const { after } = await padding;
    const counts = { hidden: Math.ceil(shape.nEmbd / 96) * 96, ffn: Math.ceil(shape.nFf / 96) * 96 };
    t.like(after, { hiddenSize: counts.hidden, feedForwardSize: counts.ffn });
    const written = await readGguf(out);
    const carrier = referenceModel(written).shape.architecture;
    const slice = carriedBy(carrier, referenceSlice(contents, keepAll(shape), { counts }));
    holds(t, written, slice);
    computes(t, written, slice);

    // It is the same function, and reads the same cache.
    const before = logitsOf(contents);
    const share = architecture.startsWith("gemma") ? 1e-3 : 1e-5;
    for (const [position, row] of logitsOf(written).entries())
      nearly(t, row, before[position] ?? [], share, `padded logits at ${position}`);
    const { plan } = await inspect({ prefill: { model }, decode: { model: out } });
    t.is(plan.kind, "share", JSON.stringify(plan.reasons));
  });
}
