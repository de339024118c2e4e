/** The search over widths, and the choice that trials correct, on models that only exist as numbers. */

import test from "ava";
import { chooseModel, type Target, typesFor } from "../../lib/make/choose-model.js";
import { allParameters, bitsOfType, readParameters, tokenTimeOf, widthsOf } from "../../lib/make/model-cost.js";
import { findCandidates, halfWay, isCut, multipleFor, type SearchSpace } from "../../lib/make/width-search.js";
import { refusal } from "../engine/fixtures.js";

/** A 1B model's shape, with tied embeddings. */
const dense = {
  hiddenSize: 2048,
  feedForwardSize: 8192,
  layers: 16,
  heads: 32,
  kvHeads: 8,
  headSizeK: 64,
  headSizeV: 64,
  vocabularySize: 128_256,
};
const parameters = 1_236_000_000;
const shape = { ...dense, parameters, sizeBytes: 2 * parameters };

const all = { hidden: true, ffn: true, layers: true };
const space: SearchSpace = { shape, types: ["q8_0"], multiple: 256, cuts: all, importance: undefined };

const falling = (n: number, by: number) => Array.from({ length: n }, (_, i) => 1 / (1 + i) ** by);
/** The hidden channels matter unlike each other if `hidden` is more than `ffn`. */
const importanceOf = (hidden: number, ffn: number): SearchSpace["importance"] => ({
  hidden: { signed: falling(2048, hidden), absolute: [] },
  feedForward: { signed: Array.from({ length: 16 }, () => falling(8192, ffn)), absolute: [] },
  blockInfluence: falling(16, 1),
});

test("parameters are those of the shape", (t) => {
  const counted = allParameters(shape, widthsOf(shape));
  t.true(Math.abs(counted / parameters - 1) < 0.01, String(counted));
  t.is(counted, readParameters(shape, widthsOf(shape)));
  const apart = { ...shape, parameters: parameters + 2048 * 128_256 };
  t.is(allParameters(apart, widthsOf(apart)), counted + 2048 * 128_256);
});

test("every candidate meets the target, is a multiple and at least a quarter, and the best comes first", (t) => {
  const found = findCandidates({ ...space, importance: importanceOf(1, 1) }, (of) => of.parameters <= 6e8);
  t.true(found.length > 10);
  for (const [i, candidate] of found.entries()) {
    t.true(candidate.parameters <= 6e8);
    t.true(candidate.hidden % 256 === 0 && candidate.hidden >= 512);
    t.true(candidate.ffn % 256 === 0 && candidate.ffn >= 2048);
    t.is(candidate.layers, 16);
    t.true(i === 0 || candidate.kept <= (found[i - 1]?.kept ?? 0));
  }
});

test("what matters less goes first", (t) => {
  const meets = ({ parameters: n }: { readonly parameters: number }) => n <= 7e8;
  const [narrow] = findCandidates({ ...space, importance: importanceOf(1.5, 0) }, meets);
  const [shallow] = findCandidates({ ...space, importance: importanceOf(0, 1.5) }, meets);
  t.true((narrow?.hidden ?? 0) < (shallow?.hidden ?? 0));
  t.true((narrow?.ffn ?? 0) > (shallow?.ffn ?? 0));
});

test("layers go only where no widths do", (t) => {
  const least = readParameters(shape, { hidden: 512, ffn: 2048, layers: 16 });
  const [candidate] = findCandidates(space, (of) => of.parameters < least);
  t.is(candidate?.layers, 15);
  t.deepEqual(
    findCandidates({ ...space, cuts: { ...all, layers: false } }, (of) => of.parameters < least),
    [],
  );
});

test("where nothing can be cut, types are all that there is", (t) => {
  const cuts = { hidden: false, ffn: false, layers: false };
  const found = findCandidates({ ...space, types: ["q8_0", "q4_k_m"], cuts }, () => true);
  t.deepEqual(
    found.map(({ type }) => type),
    ["q8_0", "q4_k_m"],
  );
  t.false(found.some((candidate) => isCut(shape, candidate)));
});

test("types are none finer than the full model, and coarse ones fit the widths", (t) => {
  t.deepEqual(typesFor(16, 256), ["q8_0", "q4_k_m"]);
  t.deepEqual(typesFor(8.5, 64), ["q8_0", "q4_0"]);
  t.deepEqual(typesFor(4.9, 256), ["q4_k_m"]);
});

test("multiples are those of prune", (t) => {
  t.deepEqual(
    [2048, 512, 300, 128, 64].map((width) => multipleFor(width, undefined)),
    [256, 128, 64, 32, 32],
  );
  t.is(multipleFor(2048, 8), 8);
});

test("half of the way lies between, on the multiple", (t) => {
  t.deepEqual(halfWay(space, { hidden: 512, ffn: 2048, layers: 12 }), { hidden: 1024, ffn: 4096, layers: 16 });
  t.is(halfWay(space, { hidden: 2048, ffn: 8192, layers: 12 }), undefined);
  t.is(halfWay(space, { hidden: 1792, ffn: 8192, layers: 16 }), undefined);
});

test("two timed models tell what a token costs besides its weights", (t) => {
  const time = tokenTimeOf({ bytes: 1000, msPerToken: 12 }, { bytes: 500, msPerToken: 7 });
  t.deepEqual(time, { fixedMs: 2, msPerByte: 0.01 });
  t.is(tokenTimeOf({ bytes: 1000, msPerToken: 12 }).fixedMs, 0);
});

/**
 * A machine on which every token takes `fixedMs` besides a millisecond for 10 MB, or, where it is bound by computing, a
 * millisecond for as many weights as the full model has in 10 MB, of whatever type.
 */
function machine(fixedMs: number, isBoundBy: "bytes" | "computing" = "bytes") {
  const msOf = (bytes: number, type: string) =>
    fixedMs + (isBoundBy === "bytes" ? bytes : (16 * bytes) / bitsOfType(type)) / 1e7;
  const bytes = 2 * readParameters(shape, widthsOf(shape));
  const full = { bytes, msPerToken: msOf(bytes, "f16") };
  const tried: number[] = [];
  return {
    full,
    tried,
    choose: (target: Target) =>
      chooseModel({ ...space, types: ["q8_0", "q4_k_m"] }, target, full, async (candidate) => {
        tried.push(candidate.readBytes);
        const speedUp = full.msPerToken / msOf(candidate.readBytes, candidate.type);
        return { parameters: candidate.parameters, sizeBytes: candidate.bytes, speedUp };
      }),
  };
}

test("a machine on which layers cost time however narrow they are gets fewer of them, and not narrow ones", async (t) => {
  const msOf = (layers: number, bytes: number) => 4 * layers + bytes / 1e9;
  const bytes = 2 * readParameters(shape, widthsOf(shape));
  const full = { bytes, msPerToken: msOf(16, bytes) };
  for (const value of [1.2, 1.4, 1.8]) {
    const { candidate, trial, tried } = await chooseModel(space, { kind: "speedUp", value }, full, async (of) => ({
      parameters: of.parameters,
      sizeBytes: of.bytes,
      speedUp: full.msPerToken / msOf(of.layers, of.readBytes),
    }));
    t.true((trial.speedUp ?? 0) >= 0.97 * value, `${value} ${trial.speedUp}`);
    t.true(candidate.layers < 16 && candidate.hidden > 1024, JSON.stringify(candidate));
    t.true(tried.length <= 8);
  }
});

test("a machine on which types make no difference gets narrower models", async (t) => {
  for (const value of [1.5, 2, 3]) {
    const { choose, tried } = machine(20, "computing");
    const { candidate, trial } = await choose({ kind: "speedUp", value });
    t.true((trial.speedUp ?? 0) >= 0.97 * value, `${value} ${trial.speedUp}`);
    t.true(isCut(shape, candidate));
    t.true(tried.length <= 8);
  }
});

test("the speed that was asked for is reached, and not by much more than needed", async (t) => {
  for (const fixedMs of [0, 20, 60])
    for (const value of [1.2, 1.5, 2, 3]) {
      const { choose, tried } = machine(fixedMs);
      const { trial } = await choose({ kind: "speedUp", value });
      t.true((trial.speedUp ?? 0) >= 0.97 * value, `${fixedMs} ${value} ${trial.speedUp}`);
      t.true(tried.length <= 8);
    }
});

test("a speed that cannot be had is refused with the one that can", async (t) => {
  const reachable = async (value: number) => {
    const { choose, tried } = machine(60);
    const error = await refusal(t, "ERR_TARGET_UNREACHABLE", choose({ kind: "speedUp", value }));
    const { details } = error as { readonly details: { readonly reachable: number; readonly asked: number } };
    t.is(details.asked, value);
    return [details.reachable, tried.length] as const;
  };
  const [timed, nTimed] = await reachable(20);
  t.true(timed > 1 && timed < 6 && nTimed >= 1, `${timed} ${nTimed}`);
  // Nothing is made for what the weights alone make impossible.
  const [estimated, nEstimated] = await reachable(100);
  t.true(estimated > 6 && estimated < 100 && nEstimated === 0, `${estimated} ${nEstimated}`);
});

test("a size that was missed by a little is corrected", async (t) => {
  const asked: number[] = [];
  const { trial } = await chooseModel(
    space,
    { kind: "targetSize", value: 7e8 },
    { bytes: 1, msPerToken: 1 },
    async (of) => {
      asked.push(of.parameters);
      return { parameters: of.parameters * 1.05, sizeBytes: of.bytes };
    },
  );
  t.true(trial.parameters <= 7e8);
  t.true(asked.length >= 2);
  await refusal(
    t,
    "ERR_TARGET_UNREACHABLE",
    chooseModel(space, { kind: "targetBytes", value: 1000 }, { bytes: 1, msPerToken: 1 }, async () => {
      throw new Error("nothing is to be made");
    }),
  );
});
