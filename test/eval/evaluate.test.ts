/** Whole evaluations of a pair of two models, against other ways to the same numbers. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import anyTest, { type TestFn } from "ava";
import {
  type EvaluationProgress,
  type ExampleResult,
  evaluate,
  loadPair,
  type MetricName,
  type Pair,
} from "../../lib/index.js";
import { quiet, refusal } from "../engine/fixtures.js";
import { tight } from "../engine/reference-distance.js";
import { readGguf } from "../support/gguf-reader.js";
import { logSoftMax } from "../support/reference-arithmetic.js";
import { referenceForward } from "../support/reference-forward.js";
import { makeTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { somePairs, someText, tinyShape, writeLines } from "../train/fixtures.js";
import { type EvaluationFiles, figureOf, isSame, short, writeEvaluationFiles } from "./fixtures.js";

const test = anyTest as TestFn<EvaluationFiles & { remove: () => Promise<void> }>;

test.before(async (t) => {
  const { path, remove } = makeTempDir();
  t.context = { ...(await writeEvaluationFiles(path)), remove };
});
test.after.always((t) => t.context.remove?.());

const near = (a: number, b: number, tolerance: number) => Math.abs(a - b) <= tolerance;

/** Natural logarithms of the tokens behind the first `from`, by the slow decoder in float64. */
async function referenceLogProbs(path: string, tokens: readonly number[], from: number): Promise<number[]> {
  const { logits } = referenceForward(await readGguf(path), tokens, tight);
  return tokens
    .slice(from)
    .map((token, i) => logSoftMax(logits[from + i - 1] ?? new Float64Array())[token] ?? Number.NaN);
}

/** As evaluations load their pairs. */
const loading = { ...quiet, contextSize: 256 } as const;

async function withPair<Result>(model: string, use: (pair: Pair) => Result): Promise<Result> {
  const pair = await loadPair({ ...loading, prefill: { model } });
  try {
    return use(pair);
  } finally {
    await pair.dispose();
  }
}

test("the perplexity of a text is llama.cpp's definition of it, computed by a slow decoder", async (t) => {
  const { folder, full, small } = t.context;
  const data = join(folder, "corpus.txt");
  writeFileSync(data, someText(130));
  const windowSize = 40;
  const report = await evaluate({ ...short, ...tight, prefill: full, decode: small, data, windowSize });

  const { tokens, bos } = await withPair(full, (pair) => ({
    tokens: pair.tokenize(someText(130), { addSpecial: true }),
    bos: pair.encode({ text: someText(10) }).prompt[0],
  }));
  for (const [row, model] of [
    ["prefill", full],
    ["decode", small],
  ] as const) {
    let loss = 0;
    let count = 0;
    // As tools/perplexity: for each whole chunk, with BOS at its start, the logits from n_ctx / 2 to n_ctx - 2.
    for (let start = 0; start + windowSize <= tokens.length; start += windowSize) {
      const chunk = tokens.slice(start, start + windowSize);
      if (bos !== undefined) chunk[0] = bos;
      for (const logProb of await referenceLogProbs(model, chunk, windowSize / 2 + 1)) {
        loss -= logProb;
        count++;
      }
    }
    t.is(report.scoredTokens, count);
    const expected = Math.exp(loss / count);
    t.true(near(figureOf(report, row, "perplexity"), expected, 1e-3 * expected), `${row}: ${expected}`);
  }
  t.is(report.examples, 3);
});

test("the perplexity of responses is that of their tokens, the end token among them", async (t) => {
  const { full, small, responses: data } = t.context;
  const report = await evaluate({ ...short, ...tight, prefill: full, decode: small, data });
  const examples = await withPair(full, (pair) => somePairs(12).map((one) => pair.encode(one)));
  const logProbs: number[] = [];
  for (const { prompt, response } of examples)
    logProbs.push(...(await referenceLogProbs(full, [...prompt, ...response], prompt.length)));
  const expected = Math.exp(-logProbs.reduce((sum, value) => sum + value, 0) / logProbs.length);
  t.is(report.scoredTokens, logProbs.length);
  t.true(near(figureOf(report, "prefill", "perplexity"), expected, 1e-3 * expected));
});

test("rows differ where models differ, and two-stage has the full model's first token", async (t) => {
  const { full, small, responses: data } = t.context;
  const results: ExampleResult[] = [];
  const report = await evaluate({
    ...{ ...short, prefill: full, decode: small, data, refreshIntervals: [1, 3] },
    onExample: (result) => results.push(result),
  });
  t.is(figureOf(report, "prefill", "agreement"), 1);
  t.is(figureOf(report, "prefill", "divergence"), 0);
  t.true(figureOf(report, "decode", "divergence") > 0);
  t.true(figureOf(report, "decode", "perplexity") !== figureOf(report, "prefill", "perplexity"));
  for (const { row, positions = [] } of report.rows) {
    t.is(positions.length, 4, "seven tokens: 0, 1, 2-3, 4-6");
    t.deepEqual([positions[3]?.from, positions[3]?.to, positions[3]?.tokens], [4, 6, 36]);
    if (typeof row === "object" || row === "two-stage")
      t.deepEqual([positions[0]?.agreement.value, positions[0]?.divergence.value], [1, 0]);
    t.is(
      positions.reduce((sum, { tokens }) => sum + tokens, 0),
      report.scoredTokens,
    );
  }
  // Told one by one, they make the figures.
  for (const { row, figures } of report.rows) {
    const own = results.filter((result) => isSame(result.row, row) && result.task === "responses");
    t.deepEqual(
      own.map(({ line }) => line),
      Array.from({ length: 12 }, (_, i) => i + 1),
    );
    let logProb = 0;
    for (const result of own) if (result.task === "responses") logProb += result.logProb;
    t.true(
      near(
        figures.perplexity?.value ?? 0,
        Math.exp(-logProb / report.scoredTokens),
        1e-9 * (figures.perplexity?.value ?? 0),
      ),
    );
  }
});

test("decode alone has the figures that the decode model has by itself, in every task", async (t) => {
  const { full, small, responses, choices } = t.context;
  const tasks = [
    ["responses", responses, ["perplexity", "perplexityAfterFirst"]],
    ["choices", choices, ["accuracy", "accuracyNorm"]],
    ["generate", responses, ["f1", "rougeL", "strictMatch"]],
  ] as const;
  for (const [task, data, metrics] of tasks) {
    const usual = { ...short, task, data, maxTokens: 8, timedTokens: 0 };
    const pair = await evaluate({ ...usual, prefill: full, decode: small });
    const alone = await evaluate({ ...usual, prefill: small });
    for (const metric of metrics as readonly MetricName[])
      t.true(near(figureOf(pair, "decode", metric), figureOf(alone, "prefill", metric), 1e-9), `${task} ${metric}`);
  }
});

test("accuracies are those of the slow decoder's log-probabilities", async (t) => {
  const { full, choices: data } = t.context;
  const results: ExampleResult[] = [];
  const report = await evaluate({
    ...short,
    ...tight,
    prefill: full,
    data,
    onExample: (result) => results.push(result),
  });
  const ofFull = results.flatMap((result) => (result.task === "choices" && result.row === "prefill" ? [result] : []));
  t.is(ofFull.length, 6);
  let right = 0;
  let rightByLength = 0;
  for (const [i, { logProbs }] of ofFull.entries()) {
    const expected: number[] = [];
    for (const text of [someText(3, 50 + i), someText(5, 90 + i)]) {
      const [before, tokens] = await withPair(full, (pair) =>
        [someText(10, i), `${someText(10, i)} ${text}`].map((all) => pair.tokenize(all, { addSpecial: true })),
      );
      const ofChoice = await referenceLogProbs(full, tokens ?? [], before?.length ?? 0);
      expected.push(ofChoice.reduce((sum, value) => sum + value, 0));
    }
    for (const [choice, value] of expected.entries()) t.true(near(logProbs[choice] ?? 0, value, 2e-3), `${i}`);
    const [first = 0, second = 0] = expected;
    if (Number(second > first) === i % 2) right++;
    if (Number(second / 5 > first / 3) === i % 2) rightByLength++;
  }
  t.is(figureOf(report, "prefill", "accuracy"), right / 6);
  t.is(figureOf(report, "prefill", "accuracyNorm"), rightByLength / 6);
});

test("answers are those that a session writes, up to a stop text and a number of tokens", async (t) => {
  const { full, small, responses: data } = t.context;
  const results: ExampleResult[] = [];
  const usual = { ...short, prefill: full, decode: small, data, task: "generate", maxTokens: 9 } as const;
  await evaluate({ ...usual, maxExamples: 3, refreshIntervals: [2], onExample: (result) => results.push(result) });
  const pair = await loadPair({ ...loading, prefill: { model: full }, decode: { model: small } });
  try {
    for (const [i, { prompt, response }] of somePairs(3).entries())
      for (const refreshInterval of [undefined, 2]) {
        const session = await pair.createSession();
        const { text } = await session.generate(prompt, {
          ...{ temperature: 0, maxTokens: 9 },
          ...(refreshInterval !== undefined && { refreshInterval }),
        });
        await session.dispose();
        const row = refreshInterval === undefined ? "two-stage" : { refreshInterval };
        const found = results.filter((result) => result.line === i + 1 && isSame(result.row, row));
        t.like(found[0], { task: "generate", text, references: [response] });
        t.is(found.length, 1);
      }
  } finally {
    await pair.dispose();
  }
  const whole = results.find((result) => result.row === "prefill" && result.task === "generate");
  const text = whole?.task === "generate" ? whole.text : "";
  t.true(text.length > 3);
  const stopped: ExampleResult[] = [];
  await evaluate({ ...usual, stop: text.slice(2, 3), maxExamples: 1, onExample: (result) => stopped.push(result) });
  t.like(
    stopped.find((result) => result.row === "prefill"),
    { text: text.slice(0, text.indexOf(text.slice(2, 3))) },
  );
});

test("chats go through the model's template: the last message is predicted, or written and compared", async (t) => {
  const { folder } = t.context;
  const template =
    "{% for m in messages %}[{{ m.role }}]{{ m.content }};{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";
  const { path: full } = await writeTinyModel(join(folder, "chat.gguf"), {
    ...tinyShape,
    metadata: { "tokenizer.chat_template": { type: "string", value: template } },
  });
  const chats = somePairs(3).map(({ prompt, response }) => ({
    messages: [
      { role: "user", content: prompt },
      { role: "assistant", content: response },
    ],
  }));
  const data = writeLines(join(folder, "chats.jsonl"), chats);
  const encoded = await withPair(full, (pair) => chats.map((chat) => pair.encode(chat)));
  const responses = await evaluate({ ...short, ...tight, prefill: full, data });
  t.is(
    responses.promptTokens,
    encoded.reduce((sum, { prompt }) => sum + prompt.length, 0),
  );
  t.is(
    responses.scoredTokens,
    encoded.reduce((sum, { response }) => sum + response.length, 0),
  );
  const [first] = encoded;
  const logProbs = await referenceLogProbs(
    full,
    [...(first?.prompt ?? []), ...(first?.response ?? [])],
    first?.prompt.length ?? 0,
  );
  const results: ExampleResult[] = [];
  const one = await evaluate({
    ...{ ...short, ...tight, prefill: full, data, maxExamples: 1 },
    onExample: (result) => results.push(result),
  });
  t.is(one.task, "responses");
  t.true(
    near(
      (results[0]?.task === "responses" && results[0].logProb) || 0,
      logProbs.reduce((sum, value) => sum + value, 0),
      2e-3,
    ),
  );
  const answers: ExampleResult[] = [];
  await evaluate({
    ...{ ...short, prefill: full, data, task: "generate", maxTokens: 3 },
    onExample: (result) => answers.push(result),
  });
  t.like(answers[1], { task: "generate", line: 2, references: [somePairs(3)[1]?.response] });
});

test("the report is plain data, and equal options give equal figures", async (t) => {
  const { full, small, responses: data } = t.context;
  const options = { ...short, prefill: full, decode: small, data, refreshIntervals: [4] };
  const [report, again] = [await evaluate(options), await evaluate(options)];
  t.deepEqual(JSON.parse(JSON.stringify(report)), report);
  const figures = ({ rows, comparisons }: typeof report) => [
    rows.map(({ figures, positions }) => ({ figures, positions })),
    comparisons,
  ];
  t.deepEqual(figures(again), figures(report));
  const other = await evaluate({ ...options, seed: 2 });
  t.is(figureOf(other, "decode", "perplexity"), figureOf(report, "decode", "perplexity"));
  t.notDeepEqual(figures(other), figures(report));
  t.like(report, {
    ...{ task: "responses", data, handover: "share", contextSize: 256, examples: 12, confidence: 0.95, resamples: 100 },
    ...{ seed: 1, threads: 1, gpu: false, badLines: [], prefill: { path: full }, decode: { path: small } },
  });
});

test("each row tells its speed and what it needs in memory", async (t) => {
  const { full, small, responses: data } = t.context;
  const options = { ...short, prefill: full, decode: small, data };
  const { rows } = await evaluate(options);
  const weights = rows.map(({ memory }) => memory.weightBytes);
  t.is(weights[2], (weights[0] ?? 0) + (weights[1] ?? 0));
  t.true((weights[1] ?? 0) < (weights[0] ?? 0));
  for (const { speed, memory } of rows) {
    t.is(speed?.promptTokens, 4 * 13, "four prompts of twelve tokens and BOS");
    t.is(speed?.writtenTokens, 4, "the second of two tokens");
    t.true((speed?.prefillTokensPerSecond ?? 0) > 0 && (speed?.decodeTokensPerSecond ?? 0) > 0);
    t.true(memory.kvBytes > 0);
  }
  t.is(rows[0]?.memory.kvBytes, rows[2]?.memory.kvBytes, "a shared cache is there once");
  const untimed = await evaluate({ ...options, timedTokens: 0 });
  for (const row of untimed.rows) t.false("speed" in row);
});

test("options of loading reach the pair: a cache that is translated gives the figures of the shared one, and is there twice", async (t) => {
  const { full, small, responses: data } = t.context;
  const options = { ...short, ...tight, prefill: full, decode: small, data, refreshIntervals: [2] };
  const [shared, translated] = [await evaluate(options), await evaluate({ ...options, handover: "translate" })];
  t.is(translated.handover, "translate");
  for (const [i, { figures, memory }] of translated.rows.entries()) {
    const { value = Number.NaN } = figures.perplexity ?? {};
    t.true(near(value, shared.rows[i]?.figures.perplexity?.value ?? 0, 1e-3 * value));
    const times = i < 2 ? 1 : 2;
    t.is(memory.kvBytes, times * (shared.rows[i]?.memory.kvBytes ?? 0));
  }
});

test("metrics can be chosen; those of another task are refused before a model is loaded", async (t) => {
  const { full, folder, responses: data } = t.context;
  const report = await evaluate({ ...short, prefill: full, data, metrics: ["perplexity"] });
  for (const row of report.rows) {
    t.deepEqual(Object.keys(row.figures), ["perplexity"]);
    t.false("positions" in row);
  }
  const nowhere = join(folder, "none.gguf");
  const error = await refusal(
    t,
    "ERR_INVALID_ARGUMENT",
    evaluate({ ...short, prefill: nowhere, data, metrics: ["f1"] }),
  );
  t.is(error.details.parameter, "options.metrics");
  await refusal(t, "ERR_MODEL_NOT_FOUND", evaluate({ ...short, prefill: nowhere, data }));
});

test("progress comes in stages, each from its beginning", async (t) => {
  const { full, small, responses: data } = t.context;
  const news: EvaluationProgress[] = [];
  const onProgress = (progress: EvaluationProgress) => news.push(progress);
  await evaluate({ ...short, prefill: full, decode: small, data, onProgress });
  const stages = [...new Set(news.map(({ stage }) => stage))];
  t.deepEqual(
    stages.filter((stage) => stage !== "resampling"),
    ["loading", "reading", "scoring", "timing"],
  );
  for (const { done, total, fraction } of news) t.true(fraction >= 0 && fraction <= 1 && done <= total);
  const timed = news.filter(({ stage }) => stage === "timing").map(({ row }) => row);
  t.deepEqual([...new Set(timed)], ["two-stage", "prefill", "decode"]);
});

test("a signal stops an evaluation wherever it is; what a callback throws comes to the caller", async (t) => {
  const { full, small, responses, choices } = t.context;
  const runs = [
    ["responses", responses, ["loading", "reading", "scoring", "timing"]],
    ["choices", choices, ["scoring"]],
    ["generate", responses, ["generating"]],
  ] as const;
  for (const [task, data, stages] of runs)
    for (const stage of stages) {
      const controller = new AbortController();
      const options = { ...short, prefill: full, decode: small, data, task, maxTokens: 4 };
      const stop = ({ stage: at }: EvaluationProgress) => at === stage && controller.abort(`in ${stage}`);
      const stopped = evaluate({ ...options, signal: controller.signal, onProgress: stop });
      t.is(await stopped.catch((error: unknown) => error), `in ${stage}`);
      const broken = evaluate({
        ...options,
        onProgress: ({ stage: at }) => {
          if (at === stage) throw new RangeError(stage);
        },
      });
      await t.throwsAsync(broken, { instanceOf: RangeError, message: stage });
    }
  const broken = evaluate({
    ...{ ...short, prefill: full, data: responses },
    onExample: () => {
      throw new RangeError("example");
    },
  });
  await t.throwsAsync(broken, { instanceOf: RangeError, message: "example" });
});

test("as many examples are evaluated as were asked for, from the beginning", async (t) => {
  const { full, folder } = t.context;
  const data = writeLines(join(folder, "many.jsonl"), ["{", ...somePairs(9)]);
  const lines: number[] = [];
  const report = await evaluate({
    ...{ ...short, prefill: full, data, maxExamples: 3, metrics: ["agreement"] },
    onExample: ({ line, row }) => row === "decode" && lines.push(line),
  });
  t.deepEqual(lines, [2, 3, 4]);
  t.is(report.examples, 3);
  t.deepEqual(report.badLines, [{ path: data, line: 1, reason: "it is not valid JSON" }]);
  const one = await evaluate({ ...short, prefill: full, data, maxExamples: 1 });
  t.deepEqual(Object.keys(one.rows[0]?.figures.perplexity ?? {}), ["value"], "no interval for one");
});
