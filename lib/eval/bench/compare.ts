/** The untimed part of a benchmark: what each way writes, and how near that is to the full model. */

import type { DecodeOptions, GenerateResult, Pair, ScoreRow } from "../../engine/index.js";
import { areLikeliest, NearnessSums, rowOf } from "./nearness.js";
import type { BenchProgress, BenchWay } from "./options.js";
import type { BenchPrompt } from "./prompts.js";
import type { BenchDrafts, BenchRow } from "./report.js";
import { answerIn, type BenchPairs, isChecked, scoreRowOf } from "./ways.js";

export type Compared = Pick<BenchRow, "written" | "given" | "drafts">;

type Answering = Pick<DecodeOptions, "maxTokens" | "signal">;

/**
 * In the order of the ways. Answers end where they end: what the full model finds likeliest is known with its end tokens
 * among the others only.
 */
export async function compareWays(
  ways: readonly BenchWay[],
  pairs: BenchPairs,
  prompts: readonly BenchPrompt[],
  answering: Answering,
  tell: (news: Omit<BenchProgress, "fraction">) => void,
): Promise<Compared[]> {
  const total = prompts.length * (ways.length + 1);
  let done = 0;
  const written = ways.map(() => new NearnessSums());
  const drafts: (BenchDrafts | undefined)[] = ways.map(() => undefined);
  for (const { tokens: prompt } of prompts)
    for (const [i, way] of ways.entries()) {
      tell({ stage: "comparing", way, done: done++, total });
      // Where the full model checks, the log-probabilities are its own.
      const own = isChecked(way) ? { ...answering, logProbs: 1 } : answering;
      const { logProbs, result } = await withLogProbs(way, pairs, prompt, own);
      const agree = isChecked(way)
        ? areLikeliest(logProbs)
        : await agreementOf(pairs.pair, way, prompt, result.tokens, answering.signal);
      written[i]?.add({ agree });
      drafts[i] = addDrafts(drafts[i], result);
    }

  const given = ways.map(() => new NearnessSums());
  const rows = ways.flatMap((way) => scoreRowOf(way) ?? []);
  for (const { tokens: prompt, response } of prompts) {
    tell({ stage: "comparing", done: done++, total });
    if (!response) continue;
    const { signal } = answering;
    const scored = await pairs.pair.score(prompt, [response], { rows, ...(signal && { signal }) });
    for (const [i, way] of ways.entries()) {
      const row = scoreRowOf(way);
      if (row !== undefined) given[i]?.add(rowOf(scored.responses[0]?.rows, rows.indexOf(row)));
    }
  }
  return ways.map((_, i) => {
    const [own, becameOf] = [given[i]?.given, drafts[i]];
    return {
      written: (written[i] as NearnessSums).written,
      ...(own && { given: own }),
      ...(becameOf && { drafts: becameOf }),
    };
  });
}

type LogProbs = Parameters<typeof areLikeliest>[0];

async function withLogProbs(
  way: BenchWay,
  pairs: BenchPairs,
  prompt: readonly number[],
  options: Answering & Pick<DecodeOptions, "logProbs">,
): Promise<{ readonly result: GenerateResult; readonly logProbs: LogProbs }> {
  const logProbs: LogProbs[number][] = [];
  const { result } = await answerIn(way, pairs, prompt, options, (chunk) => logProbs.push(...(chunk.logProbs ?? [])));
  return { result, logProbs };
}

/** For each token of what the way has written whether the full model would have written it there. */
async function agreementOf(
  pair: Pair,
  way: BenchWay,
  prompt: readonly number[],
  tokens: readonly number[],
  signal: AbortSignal | undefined,
): Promise<ArrayLike<number>> {
  if (way === "prefill") return tokens.map(() => 1);
  // The last token of a full context takes no place in it.
  const response = tokens.slice(0, pair.info.contextSize - prompt.length);
  if (response.length === 0) return [];
  const row = scoreRowOf(way) as ScoreRow;
  const scored = await pair.score(prompt, [response], { rows: [row], ...(signal && { signal }) });
  return rowOf(scored.responses[0]?.rows, 0).agree;
}

function addDrafts(sums: BenchDrafts | undefined, { decode }: GenerateResult): BenchDrafts | undefined {
  if (!decode.verification) return sums;
  const { draftedTokens, keptTokens, checks } = decode.verification;
  return {
    draftedTokens: draftedTokens + (sums?.draftedTokens ?? 0),
    keptTokens: keptTokens + (sums?.keptTokens ?? 0),
    checks: checks + (sums?.checks ?? 0),
  };
}
