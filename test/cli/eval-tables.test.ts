/** An evaluation's report as tables and as pictures. */

import test from "ava";
import { drawReport } from "../../lib/cli/commands/eval/plot.js";
import { detailOf, renderReport } from "../../lib/cli/commands/eval/render.js";
import { formatDifference, formatFigure, formatImprovement, nameOfRow } from "../../lib/cli/commands/eval/words.js";
import type { Estimate, EvaluationReport, RowReport, ScoreRow } from "../../lib/index.js";
import { dotsOf, linesOf } from "./chart-marks.js";

const rows: readonly ScoreRow[] = ["prefill", "decode", "two-stage", { refreshInterval: 8 }];
const estimate = (value: number, spread = 0.1): Estimate => ({ value, low: value - spread, high: value + spread });

const memory = { weightBytes: 3 * 2 ** 20, kvBytes: 2 ** 19 };
const speed = { promptTokens: 100, prefillTokensPerSecond: 2500, writtenTokens: 31, decodeTokensPerSecond: 80.04 };

const common: Omit<EvaluationReport, "task" | "rows" | "comparisons"> = {
  ...{ data: "data/held-out.jsonl", examples: 200, promptTokens: 9400, scoredTokens: 812, badLines: [] },
  prefill: { path: "models/full.gguf", name: "full", parameters: 1000, sizeBytes: 2000 },
  decode: { path: "models/small.gguf", name: "small", parameters: 500, sizeBytes: 1000 },
  ...{
    handover: "share",
    contextSize: 512,
    confidence: 0.95,
    resamples: 1000,
    seed: 1,
    threads: 2,
    gpu: false,
    ms: 1500,
  },
};

const responses: EvaluationReport = {
  ...common,
  task: "responses",
  rows: rows.map(
    (row, i): RowReport => ({
      row,
      figures: { perplexity: estimate(2 + i), divergence: estimate(i / 10, i / 100), agreement: { value: 1 } },
      positions: [0, 1, 2].map((at) => ({
        ...{ from: at === 2 ? 2 : at, to: at === 2 ? 3 : at, tokens: 200 },
        ...{ agreement: estimate(0.9, 0.05), divergence: estimate(i / 10, 0) },
      })),
      ...(i < 3 && { speed }),
      memory,
    }),
  ),
  comparisons: [
    { row: "two-stage", against: "decode", differences: { perplexity: estimate(-1.5) } },
    { row: "two-stage", against: "prefill", differences: { perplexity: estimate(0.5) } },
  ],
};

const answers: EvaluationReport = {
  ...common,
  task: "generate",
  ...{ examples: 1, scoredTokens: 0 },
  rows: rows
    .slice(0, 3)
    .map((row): RowReport => ({ row, figures: { f1: { value: 0.75 }, bleu: { value: 0 } }, memory })),
  comparisons: [
    {
      ...{ row: "two-stage", against: "decode", differences: { f1: { value: 0.5 } } },
      improvements: { f1: { value: 0.832 } },
    },
  ],
};

test("the rows stand side by side with their intervals, speed and memory", (t) => {
  const text = renderReport(responses);
  t.regex(
    text,
    /^data\/held-out\.jsonl: predicting responses, 200 examples, 9,400 tokens of prompts and 812 of what is/,
  );
  t.regex(text, /^The pair shares its KV cache\.$/m);
  t.regex(text, /│ +│ +prefill alone │ +decode alone │ +two-stage │ +refresh 8 │/);
  t.regex(text, /│ perplexity +│ +2\.0000 │ +3\.0000 │ +4\.0000 │ +5\.0000 │/);
  t.regex(text, /│ +│ \[1\.9000, 2\.1000\] │ \[2\.9000, 3\.1000\] │/);
  t.regex(text, /│ agreement with the full model │ +1\.0000 │ +1\.0000 │/);
  t.regex(text, /│ KL from the full model +│ +0 │ +0\.1000 │/);
  t.regex(text, /│ reads +│ +2,500 tokens\/s │ +2,500 tokens\/s │ +2,500 tokens\/s │ +│/);
  t.regex(text, /│ writes +│ +80 tokens\/s │/);
  t.regex(text, /│ weights +│ +3\.00 MiB │/);
  t.regex(text, /│ KV cache +│ +512 KiB │/);
  t.regex(text, /^In 1\.5 s\.$/m);
});

test("positions, differences and what the intervals are follow", (t) => {
  const text = renderReport(responses);
  t.regex(text, /│ position │ tokens │ +prefill alone │/);
  t.regex(text, /│ 2-3 +│ +200 │ +0, 0\.9000 │ +0\.1000, 0\.9000 │/);
  t.regex(text, /│ two-stage +│ +minus decode alone │ +minus prefill alone │/);
  t.regex(text, /│ perplexity +│ +-1\.5000 │ +\+0\.5000 │/);
  t.regex(text, /│ +\[-1\.6000, -1\.4000\] │ +\[\+0\.4000, \+0\.6000\] │/);
  t.regex(text, /^\[low, high\]: 95% intervals from 1,000 resamples of the examples \(BCa bootstrap\)\.$/m);
  t.regex(text, /^In two-stage inference the full model writes the first token/m);
  t.notRegex(text, /undefined|NaN|bad line/);
});

test("what is not there is not told", (t) => {
  const text = renderReport(answers);
  t.regex(text, /generating answers, 1 example, 9,400 tokens of prompts\n/);
  t.regex(text, /│ F1 +│ +0\.7500 │/);
  t.regex(text, /│ BLEU +│ +0 │/);
  t.regex(text, /│ two-stage │ minus decode alone │ relative to decode alone │/);
  t.regex(text, /│ F1 +│ +\+0\.5000 │ +\+83\.2% │/);
  t.regex(text, /^One example is too few for confidence intervals\.$/m);
  t.notRegex(text, /reads|writes|position|\[|undefined|NaN/);
  const { decode: _, ...one } = answers;
  t.regex(renderReport(one), /^The pair is one model\.$/m);
  const skipped = { ...answers, badLines: [{ path: "d.jsonl", line: 2, reason: "it is not valid JSON" }] };
  t.regex(renderReport(skipped), /^1 bad line was skipped\.$/m);
});

test("numbers are short and show what they can", (t) => {
  t.deepEqual([0, 0.5, 0.00012, 12.3456, 123_456].map(formatFigure), ["0", "0.5000", "1.20e-4", "12.346", "1.23e+5"]);
  t.deepEqual([0, 0.5, -0.5].map(formatDifference), ["0", "+0.5000", "-0.5000"]);
  t.deepEqual([0.832, -0.1].map(formatImprovement), ["+83.2%", "-10.0%"]);
  t.deepEqual(rows.map(nameOfRow), ["prefill alone", "decode alone", "two-stage", "refresh 8"]);
});

test("behind the bar stand how many, and which row", (t) => {
  const news = { stage: "scoring", done: 3, total: 1200, fraction: 0 } as const;
  t.is(detailOf(news), "3/1,200");
  t.is(detailOf({ ...news, row: { refreshInterval: 8 } }), "3/1,200, refresh 8");
  t.is(detailOf({ ...news, stage: "reading" }), "3");
  t.is(detailOf({ ...news, stage: "loading" }), "");
});

test("with positions the picture has two panels, a line and a band for each row", (t) => {
  const svg = drawReport(responses);
  t.regex(svg, /^<svg [\s\S]*<\/svg>\n$/);
  // A line, its band and three dots for each row in both panels.
  t.is(linesOf(svg, "#2f6f9f"), 2);
  t.is([...svg.matchAll(/ fill-opacity="0\.14"/g)].length, 2 * rows.length);
  t.is(dotsOf(svg), rows.length * 2 * 3);
  t.true(svg.includes(">full.gguf and small.gguf<") && svg.includes(">held-out.jsonl, 200 examples<"));
  t.true(svg.includes(">2-3<"));
  t.notRegex(svg, /NaN|undefined/);
});

test("without positions the picture has a dot with its whiskers for each row and metric", (t) => {
  const svg = drawReport(answers);
  t.regex(svg, /^<svg [\s\S]*<\/svg>\n$/);
  t.is(dotsOf(svg), 3 * 2);
  t.true(svg.includes(">ROUGE-L<") === false && svg.includes(">BLEU<"));
  t.notRegex(svg, /NaN|undefined/);
});

test("a legend of many rows goes on below, and makes its picture taller", (t) => {
  const many: readonly ScoreRow[] = [...rows, ...[16, 32, 64].map((refreshInterval) => ({ refreshInterval }))];
  const heightOf = (svg: string) => Number(/ height="(\d+)"/.exec(svg)?.[1]);
  for (const report of [responses, answers]) {
    const crowded = {
      ...report,
      rows: many.map((row, i) => ({ ...(report.rows[i] ?? report.rows[0]), row }) as RowReport),
    };
    const svg = drawReport(crowded);
    t.true(svg.includes(">refresh 64<"));
    t.true(heightOf(svg) > heightOf(drawReport(report)));
  }
});

test("a picture of a single position, and of names that XML would read, is sound", (t) => {
  const one: EvaluationReport = {
    ...responses,
    prefill: { ...common.prefill, path: "a<b>&.gguf" },
    rows: responses.rows.map((row) => ({ ...row, positions: row.positions?.slice(0, 1) ?? [] })),
  };
  const svg = drawReport(one);
  t.true(svg.includes("a&lt;b&gt;&amp;.gguf"));
  t.notRegex(svg, /NaN|undefined/);
});
