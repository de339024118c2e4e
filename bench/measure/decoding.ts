/**
 * Tokens a second and the time to the first token: the paper's 3B -> 1B, one model at two quantisations, the same of a
 * hybrid model, and the demo pair, each against the native loop, node-llama-cpp and the prefill model alone.
 */

import { demoPair, inspect } from "../../lib/index.js";
import { openNativeLoop, openNodeLlamaCpp, openOverfill } from "../contestants/contestant.js";
import { atLeast, atMost, moreThan, type Row, row, type Target } from "../row.js";
import type { ModelShape } from "../shapes.js";
import { median, pairwise } from "../statistics.js";
import type { Bench } from "./measurement.js";
import { madeUpTokens, type RacePlan, type RaceResult, race, showMedian } from "./race.js";
import { switchRows } from "./switching.js";

/** Decoding and the first token of two-stage inference at the paper's sizes. */
export async function measurePair(bench: Bench): Promise<Row[]> {
  const { shapes } = bench.size;
  const prefill = await bench.model({ shape: shapes.prefill, weightType: "q8_0" });
  const decode = await bench.model({ shape: shapes.decode, weightType: "q8_0" });
  const plan = planFor(bench, "pair", bench.size.race, shapes.prefill.nVocab);
  const own = settingsFor(bench, plan);
  const [twoStage, small, peer, alone, full] = await raceAll(plan, [
    openOverfill("two-stage", { ...own, prefill: prefill.path, decode: decode.path }),
    openNativeLoop("native loop, decode model", bench.nativeLoop, { ...own, model: decode.path }),
    openNodeLlamaCpp("node-llama-cpp, decode model", { ...own, model: decode.path }),
    openOverfill("pair of one, prefill model", { ...own, prefill: prefill.path }),
    openNativeLoop("native loop, prefill model", bench.nativeLoop, { ...own, model: prefill.path }),
  ]);
  return [
    speed("pair", "decode: two-stage vs native loop on the decode model", twoStage, small, atLeast(0.98)),
    speed("pair", "decode: two-stage vs node-llama-cpp on the decode model", twoStage, peer, moreThan(1)),
    speed("pair", "decode: two-stage vs prefill model alone", twoStage, alone),
    gain("pair", twoStage, alone, small, full),
    firstToken("pair", "first token: two-stage vs prefill model alone", twoStage, alone),
    firstToken("pair", "first token: two-stage vs native loop on the prefill model", twoStage, full),
  ];
}

/** The same for one model that is read at q8_0 and written at q4_0. */
export async function measureQuantisation(bench: Bench): Promise<Row[]> {
  const [twoStage, small, alone, full] = await raceQuantised(bench, "quantisation", bench.size.shapes.prefill);
  return [
    speed("quantisation", "decode: q8_0 -> q4_0 vs native loop at q4_0", twoStage, small, atLeast(0.98)),
    speed("quantisation", "decode: q8_0 -> q4_0 vs q8_0 alone", twoStage, alone),
    gain("quantisation", twoStage, alone, small, full),
    firstToken("quantisation", "first token: q8_0 -> q4_0 vs q8_0 alone", twoStage, alone),
  ];
}

/** The same for a model with a KV cache in some layers and a recurrent state in the others. */
export async function measureHybrid(bench: Bench): Promise<Row[]> {
  const shape = bench.size.shapes.hybrid;
  const [twoStage, small, alone, full] = await raceQuantised(bench, "hybrid", shape);
  return [
    speed("hybrid", "decode: hybrid q8_0 -> q4_0 vs native loop at q4_0", twoStage, small, atLeast(0.98)),
    speed("hybrid", "decode: hybrid pair of one vs native loop, q8_0", alone, full, atLeast(0.98)),
    speed("hybrid", "decode: hybrid q8_0 -> q4_0 vs q8_0 alone", twoStage, alone),
    firstToken("hybrid", "first token: hybrid q8_0 -> q4_0 vs native loop at q8_0", twoStage, full),
    ...(await switchRows(bench, "hybrid", shape, bench.size.switches.slice(0, 1))),
  ];
}

/** The pair, the native loop on its decode model, the prefill model alone, and the native loop on that. */
async function raceQuantised(bench: Bench, section: string, shape: ModelShape) {
  const prefill = await bench.model({ shape, weightType: "q8_0" });
  const decode = await bench.model({ shape, weightType: "q4_0" });
  const plan = planFor(bench, section, bench.size.race, shape.nVocab);
  const own = settingsFor(bench, plan);
  return raceAll(plan, [
    openOverfill("q8_0 -> q4_0", { ...own, prefill: prefill.path, decode: decode.path }),
    openNativeLoop("native loop, q4_0", bench.nativeLoop, { ...own, model: decode.path }),
    openOverfill("pair of one, q8_0", { ...own, prefill: prefill.path }),
    openNativeLoop("native loop, q8_0", bench.nativeLoop, { ...own, model: prefill.path }),
  ]);
}

/** Decoding of the demo pair, where a step takes so little that only the cost around it counts. */
export async function measureDemo(bench: Bench): Promise<Row[]> {
  const [prefill, decode] = [String(demoPair.prefill.model), String(demoPair.decode.model)];
  const { prefill: reader } = await inspect({ prefill: { model: prefill } });
  const plan = planFor(bench, "demo", bench.size.demo, reader.vocabularySize);
  const own = settingsFor(bench, plan);
  const [twoStage, small, peer, peerAlone] = await raceAll(plan, [
    openOverfill("two-stage", { ...own, prefill, decode }),
    openNativeLoop("native loop, decode model", bench.nativeLoop, { ...own, model: decode }),
    openNodeLlamaCpp("node-llama-cpp, decode model", { ...own, model: decode }),
    // With so little to do in a step, it can be faster without a second thread to wait for.
    openNodeLlamaCpp("node-llama-cpp, decode model, one thread", { ...own, model: decode, threads: 1 }),
  ]);
  const peerName = "decode: demo pair vs node-llama-cpp on the decode model";
  return [
    speed("demo", `${peerName}, same threads`, twoStage, peer, moreThan(1.15)),
    speed("demo", `${peerName}, one thread`, twoStage, peerAlone, moreThan(1.15)),
    speed("demo", "decode: demo pair vs native loop on the decode model", twoStage, small),
  ];
}

function planFor(
  { size, log }: Bench,
  section: string,
  { prompt, decode, rounds = size.rounds }: { prompt: number; decode: number; rounds?: number },
  nVocab: number,
): RacePlan {
  return {
    prompt: madeUpTokens(prompt, nVocab),
    decodeTokens: decode,
    rounds,
    onRound: (round) => log(`${section}: round ${round + 1} of ${rounds}`),
  };
}

const settingsFor = ({ threads }: Bench, { prompt, decodeTokens }: RacePlan) => ({
  threads,
  // What is read and written and the first token, in whole steps of the cache's size.
  contextSize: Math.ceil((prompt.length + decodeTokens + 1) / 256) * 256,
});

type Opening = Promise<Awaited<ReturnType<typeof openOverfill>>>;

/** A tuple as long as the list of contestants. */
async function raceAll<const Openings extends readonly Opening[]>(
  plan: RacePlan,
  openings: Openings,
): Promise<{ [K in keyof Openings]: RaceResult }> {
  const results = await race(await Promise.all(openings), plan);
  return results as { [K in keyof Openings]: RaceResult };
}

function speed(section: string, name: string, ours: RaceResult, theirs: RaceResult, target?: Target): Row {
  const rounds = pairwise(ours.tokensPerSecond, theirs.tokensPerSecond);
  const detail = `${showMedian(ours.tokensPerSecond)} vs ${showMedian(theirs.tokensPerSecond)} tokens/s`;
  return row({ section, name, value: median(rounds), unit: "ratio", detail, rounds, ...(target && { target }) });
}

/** The speed-up as a share of what the two models' own speeds allow. */
function gain(section: string, twoStage: RaceResult, alone: RaceResult, small: RaceResult, full: RaceResult): Row {
  const got = pairwise(twoStage.tokensPerSecond, alone.tokensPerSecond);
  const possible = pairwise(small.tokensPerSecond, full.tokensPerSecond);
  const rounds = pairwise(got, possible);
  return row({
    section,
    name: "decode: speed-up vs the ratio of the two models' own speeds",
    value: median(rounds),
    unit: "ratio",
    target: atLeast(0.95),
    detail: `${showMedian(got)} of ${showMedian(possible)} times`,
    rounds,
  });
}

function firstToken(section: string, name: string, ours: RaceResult, theirs: RaceResult): Row {
  const rounds = pairwise(ours.firstTokenMs, theirs.firstTokenMs);
  const detail = `${showMedian(ours.firstTokenMs)} vs ${showMedian(theirs.firstTokenMs)} ms`;
  return row({ section, name, value: median(rounds), unit: "ratio", target: atMost(1.02), detail, rounds });
}
