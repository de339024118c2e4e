/** What a benchmark makes of its measurements: medians and ratios of rounds, agreement by position, words. */

import test from "ava";
import { adviceOn, agreementOf, formatShare } from "../../../lib/cli/commands/bench/words.js";
import { areLikeliest, NearnessSums } from "../../../lib/eval/bench/nearness.js";
import type { BenchReport, BenchRow } from "../../../lib/eval/bench/report.js";
import { median, SpeedRounds } from "../../../lib/eval/bench/speeds.js";
import type { TimedAnswer } from "../../../lib/eval/bench/ways.js";

const answer = (promptTokens: number, prefillMs: number, tokens: number, decodeMs: number) =>
  ({
    result: { prefill: { promptTokens, ms: prefillMs }, decode: { tokens, ms: decodeMs } },
    firstTokenMs: prefillMs + 1,
    ms: prefillMs + decodeMs + 1,
  }) as TimedAnswer;

test("a median is the middle one, or between the two in the middle", (t) => {
  t.is(median([3, 1, 2]), 2);
  t.is(median([4, 1, 2, 30]), 3);
});

test("speeds are medians of the rounds, and ratios are taken within a round", (t) => {
  const [full, small] = [new SpeedRounds(), new SpeedRounds()];
  // The second round is ten times as slow for both, as when something else computes: no ratio sees it.
  for (const [round, slow] of [1, 10, 1].entries()) {
    full.add(round, answer(100, 50 * slow, 11, 100 * slow));
    full.add(round, answer(300, 150 * slow, 11, 100 * slow));
    small.add(round, answer(100, 25 * slow, 21, 100 * slow));
    small.add(round, answer(300, 75 * slow, 21, 100 * slow));
  }
  const speed = small.speed(full);
  t.is(speed.prefillTokensPerSecond, 4000);
  t.is(speed.decodeTokensPerSecond, 200);
  t.is(speed.writesTimes, 2);
  t.is(speed.firstTokenMs, 51);
  t.is(full.speed(full).writesTimes, 1);
  t.is(full.speed(full).answersTimes, 1);
});

test("answers of one token have no speed, and no ratio", (t) => {
  const rounds = new SpeedRounds();
  rounds.add(0, answer(5, 1, 1, 0));
  const { decodeTokensPerSecond, writesTimes } = rounds.speed(rounds);
  t.deepEqual({ decodeTokensPerSecond, writesTimes }, { decodeTokensPerSecond: 0, writesTimes: 0 });
});

test("agreement leaves the first token out, and is told by position", (t) => {
  const sums = new NearnessSums();
  sums.add({ agree: [0, 1, 1, 0], divergence: [9, 0, 1, 3] });
  sums.add({ agree: [0, 1], divergence: [9, 2] });
  t.deepEqual(sums.given, {
    tokens: 4,
    agreement: 0.75,
    divergence: 1.5,
    positions: [
      { from: 1, to: 1, tokens: 2, agreement: 1, divergence: 1 },
      { from: 2, to: 3, tokens: 2, agreement: 0.5, divergence: 2 },
    ],
  });
  t.deepEqual(sums.written.positions[1], { from: 2, to: 3, tokens: 2, agreement: 0.5 });
  t.is(new NearnessSums().given, undefined);
  t.deepEqual(
    areLikeliest([
      { token: 3, top: [{ token: 3 }] },
      { token: 3, top: [{ token: 4 }] },
    ]),
    [1, 0],
  );
});

const row = (way: BenchRow["way"], writesTimes: number, agreement: number) =>
  ({
    way,
    speed: { writesTimes, decodeTokensPerSecond: 10 * writesTimes },
    written: { agreement, tokens: 9 },
  }) as BenchRow;
const advice = (fast: [number, number], accepted: [number, number], exact: number) =>
  adviceOn({
    rows: [
      row("prefill", 1, 1),
      row("decode", 3, 0.5),
      row("fast", ...fast),
      row({ acceptance: 0.3 }, ...accepted),
      row("exact", exact, 1),
    ],
  } as unknown as BenchReport);

const advices: readonly (readonly [title: string, ...Parameters<typeof advice>, words: RegExp])[] = [
  ["exact is nearly as fast as anything", [1.7, 0.9], [1.6, 0.97], 1.6, /^Take exact: hardly anything is faster/],
  ["fast is near", [2.4, 0.96], [1.9, 0.98], 1.5, /^Take fast: .*, or exact where every token/],
  [
    "a share is near, and exact does not pay",
    [2.4, 0.8],
    [1.9, 0.97],
    0.98,
    /^Take acceptance 0\.3: the fastest that is near/,
  ],
  ["nothing faster is near", [2.4, 0.6], [1.9, 0.7], 1.2, /^Take exact: what is faster is far/],
  ["only what is far is faster", [2.4, 0.6], [1.9, 0.7], 1, /^What is faster is far from the full model/],
  ["nothing is faster", [1.05, 0.99], [1, 1], 0.97, /not worth it on this machine\.$/],
];
for (const [title, fast, accepted, exact, words] of advices)
  test(`advice where ${title}`, (t) => {
    t.regex(advice(fast, accepted, exact).at(-1) ?? "", words);
  });

test("nothing is advised where nothing was written", (t) => {
  const silent = [row("prefill", 0, 1), row("fast", 0, 1), row("exact", 0, 1)];
  const words = adviceOn({ rows: silent } as unknown as BenchReport);
  t.is(words.length, 1);
  t.regex(words[0] ?? "", /nothing can be said/);
});

test("where nothing but first tokens were written, the responses of the data tell how near it is", (t) => {
  const written = { agreement: 1, tokens: 0, positions: [] };
  const given = { agreement: 0.7, divergence: 0.1, tokens: 9, positions: [] };
  t.is(agreementOf({ ...row("fast", 2, 1), written, given }), 0.7);
  t.is(agreementOf({ ...row("fast", 2, 1), written }), undefined);
  t.is(agreementOf({ ...row("exact", 2, 1), written }), 1);
});

test("each way is told in a sentence", (t) => {
  t.deepEqual(advice([2.4, 0.931], [1.94, 0.9999], 1.6).slice(0, 3), [
    "fast: 2.4 times its speed, agrees in 93.1% of tokens.",
    "acceptance 0.3: 1.9 times its speed, agrees in > 99.9% of tokens.",
    "exact: the full model's own answers at 1.6 times its speed.",
  ]);
  t.regex(advice([1, 1], [1, 1], 0.97)[2] ?? "", /no faster than it writes alone \(1\.0 times\)/);
  t.is(formatShare(1), "100%");
});
