/** Whether two files are worth being a pair: speed and nearness of every way in which they write, on this machine. */

import { loadPair, type Pair } from "../../engine/index.js";
import { fromCaller } from "../../internal/caller-stack.js";
import { toPath } from "../../internal/check-options.js";
import { BadLines } from "../data/bad-lines.js";
import { type OpenData, openData } from "../data/data-source.js";
import { toLoadOptions } from "../loading.js";
import { toModel } from "../report-model.js";
import { memoryOf } from "../row-memory.js";
import { type Compared, compareWays } from "./compare.js";
import type { BenchOptions, BenchProgress, BenchWay } from "./options.js";
import { type BenchPrompt, givenPrompts, madePrompts, promptsOfData } from "./prompts.js";
import type { BenchLength, BenchReport } from "./report.js";
import { SpeedRounds } from "./speeds.js";
import { type CheckedBenchOptions, checkBenchOptions } from "./validation.js";
import { answerIn, type BenchPairs, waysOf } from "./ways.js";

/**
 * What two files are worth as a pair on this machine: the full model alone, the small one alone, and the pair with every
 * quality, answering the same prompts in turn; the median of the rounds counts. Also how near to the full model each way
 * writes, and, where the data has responses, how near it is to it over these. The decode model is loaded twice, once
 * beside the prefill model and once alone. What is timed are answers of one session.
 *
 * Rejects with
 * - ERR_INVALID_ARGUMENT for an option out of range, or for `data` and `prompts` together;
 * - ERR_DATA_INVALID for data without a usable line, in another encoding than UTF-8, or with more bad lines than
 *   `maxBadLines`; `details` has `path` and `line`;
 * - ERR_FILE_READ_FAILED for data that cannot be read;
 * - what {@link loadPair} rejects with; ERR_MODEL_UNSUPPORTED also for chats and a model without a chat template;
 * - ERR_CONTEXT_OVERFLOW for a prompt that does not fit, ERR_INFERENCE_FAILED, ERR_OUT_OF_MEMORY;
 * - `signal.reason` when aborted, or what a callback has thrown.
 */
export async function bench(options: BenchOptions): Promise<BenchReport> {
  return fromCaller(() => run(options));
}

async function run(options: BenchOptions): Promise<BenchReport> {
  const checked = checkBenchOptions(options);
  const { signal } = checked;
  signal?.throwIfAborted();
  const began = performance.now();
  const tell = (news: Omit<BenchProgress, "fraction">) => {
    signal?.throwIfAborted();
    options.onProgress?.({ ...news, fraction: news.total > 0 ? news.done / news.total : 1 });
  };
  const path = checked.data === undefined ? undefined : toPath(checked.data, "options.data");
  const badLines = new BadLines(path ?? "", checked.maxBadLines, options.onBadLine);
  // Before the models: a file that cannot be used is told at once.
  const data = path === undefined ? undefined : await openData(path, "responses", badLines, signal);
  const open: Pair[] = [];
  try {
    for (const [i, kind] of (["pair", "decode"] as const).entries())
      open.push(
        await loadPair(
          toLoadOptions(checked, kind, {
            contextSize: open[0]?.info.contextSize ?? checked.contextSize,
            onProgress: (fraction) => tell({ stage: "loading", done: i + fraction, total: 2 }),
          }),
        ),
      );
    const [pair, alone] = open as [Pair, Pair];
    tell({ stage: "reading", done: 0, total: 1 });
    const prompts = await readPrompts(pair, data, badLines, checked);
    const measured = await measure({ pair, alone }, prompts, checked, tell);
    return toReport({ checked, path, pairs: { pair, alone }, badLines, prompts, measured, began });
  } finally {
    for (const pair of open) await pair.dispose();
    await data?.close();
  }
}

async function readPrompts(
  pair: Pair,
  data: OpenData | undefined,
  badLines: BadLines,
  checked: CheckedBenchOptions,
): Promise<BenchPrompt[]> {
  if (data) return promptsOfData(pair, data, badLines, checked);
  return checked.prompts ? givenPrompts(pair, checked.prompts) : madePrompts(pair, checked);
}

interface Measured {
  readonly ways: readonly BenchWay[];
  /** By way. */
  readonly compared: readonly Compared[];
  /** By class of prompts, then by way. */
  readonly byLength: ReadonlyMap<number, readonly SpeedRounds[]>;
  /** By way. */
  readonly overall: readonly SpeedRounds[];
}

type Tell = (news: Omit<BenchProgress, "fraction">) => void;

/** Classes of prompts, by their longest: each four times the one before. */
function lengthClass(tokens: number): number {
  let most = 64;
  while (most < tokens) most *= 4;
  return most;
}

async function measure(
  pairs: BenchPairs,
  prompts: readonly BenchPrompt[],
  { maxTokens, temperature, rounds, acceptances, refreshIntervals, signal }: CheckedBenchOptions,
  tell: Tell,
): Promise<Measured> {
  const ways = waysOf(acceptances, refreshIntervals);
  const answering = { maxTokens, ...(signal && { signal }) };
  // First, since the first answers pay for more than themselves, and drafts learn what they cost.
  const compared = await compareWays(ways, pairs, prompts, answering, tell);
  const overall = ways.map(() => new SpeedRounds());
  const byLength = new Map<number, readonly SpeedRounds[]>();
  for (const { tokens } of prompts) {
    const own = lengthClass(tokens.length);
    if (!byLength.has(own))
      byLength.set(
        own,
        ways.map(() => new SpeedRounds()),
      );
  }
  const total = rounds * prompts.length * ways.length;
  let done = 0;
  for (let round = 0; round < rounds; round++)
    for (const [i, { tokens, isPiece }] of prompts.entries())
      for (let turn = 0; turn < ways.length; turn++) {
        // Nobody is always first, and nobody always behind the same one: every other time it goes backwards.
        const place = (round + i + turn) % ways.length;
        const index = (round + i) % 2 === 0 ? place : ways.length - 1 - place;
        const way = ways[index] as BenchWay;
        tell({ stage: "timing", way, done: done++, total });
        // Every way draws with the same numbers, and every round with others.
        const answer = await answerIn(way, pairs, tokens, {
          ...answering,
          ignoreEos: isPiece,
          temperature,
          seed: round,
        });
        overall[index]?.add(round, answer);
        byLength.get(lengthClass(tokens.length))?.[index]?.add(round, answer);
      }
  return { ways, compared, byLength, overall };
}

function toReport({
  checked,
  path,
  pairs: { pair, alone },
  badLines,
  prompts,
  measured: { ways, compared, byLength, overall },
  began,
}: {
  readonly checked: CheckedBenchOptions;
  readonly path: string | undefined;
  readonly pairs: BenchPairs;
  readonly badLines: BadLines;
  readonly prompts: readonly BenchPrompt[];
  readonly measured: Measured;
  readonly began: number;
}): BenchReport {
  const { info } = pair;
  const [full] = overall as [SpeedRounds];
  const lengths = prompts.map(({ tokens }) => tokens.length);
  const together = memoryOf(pair);
  const shares = info.plan.kind === "share";
  // A pair that translates has a cache for each of them.
  const ofFull = {
    weightBytes: info.prefill.sizeBytes,
    kvBytes: shares ? info.kvBytes : info.kvBytes - alone.info.kvBytes,
  };
  return {
    prefill: toModel(checked.prefill.model, info.prefill),
    decode: toModel(checked.decode.model, info.decode),
    handover: shares ? "share" : "translate",
    contextSize: info.contextSize,
    ...(path !== undefined && { data: path }),
    prompts: prompts.length,
    promptTokens: lengths.reduce((sum, length) => sum + length, 0),
    maxTokens: checked.maxTokens,
    temperature: checked.temperature,
    rounds: checked.rounds,
    badLines: badLines.all,
    rows: ways.map((way, i) => ({
      way,
      speed: (overall[i] as SpeedRounds).speed(full),
      ...(compared[i] as Compared),
      memory: way === "prefill" ? ofFull : way === "decode" ? memoryOf(alone) : together,
    })),
    lengths: [...byLength]
      .toSorted(([a], [b]) => a - b)
      .map(([own, rounds]): BenchLength => {
        const inClass = lengths.filter((length) => lengthClass(length) === own);
        const [base] = rounds as [SpeedRounds];
        return {
          from: Math.min(...inClass),
          to: Math.max(...inClass),
          prompts: inClass.length,
          speeds: rounds.map((of) => of.speed(base)),
        };
      }),
    residentBytes: process.memoryUsage.rss(),
    threads: info.threads,
    gpu: info.gpu,
    ms: performance.now() - began,
  };
}
