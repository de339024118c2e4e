/** Training data in a model's own words: it answers prompts, several at once, and what is fit to learn from is kept. */

import { resolve } from "node:path";
import { loadPair, type Pair } from "../../engine/index.js";
import { runJob } from "../../internal/abortable.js";
import { fromCaller } from "../../internal/caller-stack.js";
import { refusedArgument, toPath } from "../../internal/check-options.js";
import { loadBinding } from "../../internal/load-binding.js";
import { BadLines } from "../data/bad-lines.js";
import type { AskedPrompt } from "../data/prompt-shapes.js";
import type { TaskRecord } from "../data/records.js";
import { ExampleEncoder, UnusableRecord } from "../examples.js";
import { toLoadOptions } from "../loading.js";
import { AnswerFile, type DonePrompt, progressPathOf } from "./answer-file.js";
import { seedOfPrompt } from "./answer-seed.js";
import { type AnswerCounts, chooseAnswers, noAnswers, sumOfCounts } from "./chosen-answers.js";
import { factsOf } from "./facts.js";
import { runInOrder } from "./in-order.js";
import type { AnswerPromptsOptions, AnswerPromptsResult } from "./options.js";
import { cutPrompts, type DocumentText, type NumberedPrompt, readDocuments, readPrompts } from "./prompts.js";
import { type CheckedAnswerOptions, checkAnswerOptions } from "./validation.js";

/**
 * Has a model write answers to prompts, as data that {@link heal} reads, so that a pruned model learns the full model's own
 * words. Answers are drawn, several at once; what was cut off, nearly repeats another answer of the same prompt or is
 * empty is left out and counted. The file has complete lines, in the prompts' order, and `resume` goes on after whatever
 * ended a run.
 *
 * With `deterministic`, equal options, prompts and threads on one machine give the same file, byte for byte, whatever
 * `sessions` is and however often the run was interrupted. Without it, the draws are the same, and tokens share batches.
 *
 * Rejects with
 * - ERR_INVALID_ARGUMENT for an option out of range, or for neither `data` nor `fromText`;
 * - ERR_DATA_INVALID for data without a usable prompt, in another encoding than UTF-8, or with more bad lines than
 *   `maxBadLines`; `details` has `path` and `line`;
 * - ERR_CHECKPOINT_INVALID for answers to go on with that were begun with other options, prompts or another model (`fact`),
 *   or whose files are damaged;
 * - ERR_FILE_READ_FAILED, ERR_FILE_WRITE_FAILED;
 * - what {@link loadPair} rejects with; ERR_MODEL_UNSUPPORTED also for chats and a model without a chat template;
 * - ERR_INFERENCE_FAILED, ERR_OUT_OF_MEMORY;
 * - `signal.reason` when aborted, or what a callback has thrown. What was written until then stays, for `resume`.
 */
export async function answerPrompts(options: AnswerPromptsOptions): Promise<AnswerPromptsResult> {
  return fromCaller(() => run(options));
}

async function run(options: AnswerPromptsOptions): Promise<AnswerPromptsResult> {
  const checked = checkAnswerOptions(options);
  const { signal } = checked;
  signal?.throwIfAborted();
  const began = performance.now();
  const { data, out } = pathsOf(checked);
  const badLines = new BadLines(data ?? out, checked.maxBadLines, options.onBadLine);
  // Before the model: what cannot be used is told at once.
  const fromData = data === undefined ? [] : await readPrompts(data, badLines, signal);
  const documents = await readDocuments(checked);
  for (const path of [out, progressPathOf(out)]) await runJob(() => loadBinding().checkTextOutput(path), signal);
  const pair = await openPair(checked, (fraction) =>
    options.onProgress?.({
      ...{ stage: "loading", prompts: 0, totalPrompts: fromData.length, kept: 0, tokens: 0, tokensPerSecond: 0 },
      fraction,
    }),
  );
  try {
    const prompts = [...fromData, ...(await cutAll(pair, documents, checked))];
    const file = await AnswerFile.open(out, await factsOf(checked, pair, prompts), checked.resume);
    try {
      return await new AnswerRun(checked, options.onProgress, pair, prompts, badLines, file).finish(began);
    } finally {
      await file.close();
    }
  } finally {
    await pair.dispose();
  }
}

/** Throws ERR_INVALID_ARGUMENT for an output that would be written over what is read. */
function pathsOf({ data, fromText, out: asked }: CheckedAnswerOptions): { data: string | undefined; out: string } {
  const out = toPath(asked, "options.out");
  const path = data === undefined ? undefined : toPath(data, "options.data");
  const read = [...(path === undefined ? [] : [path]), ...fromText.map((file) => toPath(file, "options.fromText"))];
  for (const written of [out, progressPathOf(out)])
    if (read.some((file) => resolve(file) === resolve(written)))
      throw refusedArgument("options.out", "expected a file other than those that are read", out);
  return { data: path, out };
}

function openPair(checked: CheckedAnswerOptions, onProgress: (fraction: number) => void): Promise<Pair> {
  const { model, contextSize, sessions } = checked;
  return loadPair({
    ...toLoadOptions({ ...checked, prefill: model }, "prefill", { contextSize, onProgress }),
    maxSessions: sessions,
    // Those who wait are the run's own: answers to one prompt hold places that were meant for others.
    queue: { maxWaiting: sessions },
  });
}

async function cutAll(
  pair: Pair,
  documents: readonly DocumentText[],
  checked: CheckedAnswerOptions,
): Promise<NumberedPrompt[]> {
  const prompts: NumberedPrompt[] = [];
  for (const document of documents) {
    checked.signal?.throwIfAborted();
    prompts.push(...(await cutPrompts(pair, document, checked)));
  }
  return prompts;
}

/** A prompt's lines, and what is noted about it. */
interface AnsweredPrompt {
  readonly lines: string;
  readonly done: DonePrompt;
}

class AnswerRun {
  readonly #encoder: ExampleEncoder;
  #counts: AnswerCounts = noAnswers;
  #prompts = 0;
  /** Of this run. */
  #answeringSince = 0;
  #ownTokens = 0;

  constructor(
    readonly checked: CheckedAnswerOptions,
    readonly onProgress: AnswerPromptsOptions["onProgress"],
    readonly pair: Pair,
    readonly prompts: readonly NumberedPrompt[],
    readonly badLines: BadLines,
    readonly file: AnswerFile,
  ) {
    this.#encoder = new ExampleEncoder(pair, { contextSize: pair.info.contextSize, windowSize: 0 });
  }

  async finish(began: number): Promise<AnswerPromptsResult> {
    const { checked, file, prompts } = this;
    for (const done of file.before) this.#count(done);
    this.#answeringSince = performance.now();
    this.#tell();
    await runInOrder<AnsweredPrompt>(
      {
        first: file.before.length,
        end: prompts.length,
        atOnce: checked.sessions,
        work: (index, signal) => this.#answer(prompts[index] as NumberedPrompt, signal),
        take: async (_, { lines, done }) => {
          await file.add(lines, done);
          this.#ownTokens += done.tokens;
          this.#count(done);
          this.#tell();
        },
      },
      checked.signal,
    );
    return {
      path: file.path,
      prompts: this.#prompts,
      ...this.#counts,
      ...(file.before.length > 0 && { firstPrompt: file.before.length }),
      badLines: this.badLines.all,
      tokensPerSecond: this.#speed(),
      ms: performance.now() - began,
    };
  }

  async #answer({ asked }: NumberedPrompt, signal: AbortSignal): Promise<AnsweredPrompt> {
    const { answers: n, maxTokens, temperature, topK, topP, minP, stop, seed, deterministic } = this.checked;
    try {
      const prompt = await this.#encode(asked);
      await using session = await this.pair.createSession({ signal });
      const { answers } = await session.generate(prompt, {
        ...{ n, maxTokens, temperature, topK, topP, minP, stop, deterministic, signal },
        seed: seedOfPrompt(seed, asked),
      });
      const { lines, counts } = chooseAnswers(asked, answers, this.checked);
      return { lines, done: counts };
    } catch (error) {
      if (!(error instanceof UnusableRecord)) throw error;
      return { lines: "", done: { ...noAnswers, problem: error.message } };
    }
  }

  /** As training reads it: what is before a response. */
  async #encode(asked: AskedPrompt): Promise<readonly number[]> {
    const record: TaskRecord =
      asked.kind === "chat"
        ? { kind: "chat", messages: [...asked.messages, { role: "assistant", content: "an answer" }] }
        : { kind: "answer", prompt: asked.prompt, references: [] };
    return (await this.#encoder.toAnswer(0, record)).prompt;
  }

  /** Throws ERR_DATA_INVALID for one bad line too many. */
  #count(done: DonePrompt): void {
    const { path, line } = this.prompts[this.#prompts++] as NumberedPrompt;
    this.#counts = sumOfCounts(this.#counts, done);
    if (done.problem !== undefined) this.badLines.add(line, done.problem, path);
  }

  #tell(): void {
    this.checked.signal?.throwIfAborted();
    const totalPrompts = this.prompts.length;
    this.onProgress?.({
      stage: "answering",
      ...{ prompts: this.#prompts, totalPrompts, kept: this.#counts.kept, tokens: this.#counts.tokens },
      tokensPerSecond: this.#speed(),
      fraction: totalPrompts > 0 ? this.#prompts / totalPrompts : 1,
    });
  }

  #speed(): number {
    const ms = performance.now() - this.#answeringSince;
    return this.#ownTokens > 0 && ms > 0 ? (1000 * this.#ownTokens) / ms : 0;
  }
}
