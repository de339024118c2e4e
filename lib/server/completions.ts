/** `/v1/completions`: a prompt as it is, without a template. */

import { randomUUID } from "node:crypto";
import type { ChatUsage } from "../chat/index.js";
import type { DecodeChunk, DecodeOptions, Prompt } from "../engine/index.js";
import { defaultsBeside, refuseTooMany, samplingOptions, seedOf, withoutUndefined } from "./answer-options.js";
import { badRequest } from "./api-error.js";
import { parseBody } from "./body.js";
import { Channel } from "./channel.js";
import { eventStream, type ServerEvent } from "./event-stream.js";
import type { Exchange } from "./exchange.js";
import { type LogProbs, type Stages, systemFingerprint, TokenTexts, timingsBody, usageBody } from "./figures.js";
import type { LoadedModel, NamedModel } from "./model-store.js";
import { type CompletionBody, completionSchema, refusedInCompletion } from "./request-schemas.js";

interface WrittenAnswer {
  readonly index: number;
  readonly stages: Stages;
  readonly usage: ChatUsage;
}

type CompletionEvent = { readonly index: number; readonly chunk: DecodeChunk } | WrittenAnswer;

/** What all answers to a request have in common. */
interface Asked {
  readonly model: LoadedModel;
  readonly prompts: readonly Prompt[];
  readonly n: number;
  readonly options: DecodeOptions;
}

function promptsOf({ prompt }: CompletionBody): readonly Prompt[] {
  if (typeof prompt === "string") return [prompt];
  return typeof prompt[0] === "number" ? [prompt as number[]] : (prompt as Prompt[]);
}

function decodeOptionsOf(body: CompletionBody, { quality }: NamedModel, model: LoadedModel): DecodeOptions {
  // What only chats know does not concern a prompt that is read as it is.
  const { reasoning: _reasoning, overflow: _overflow, ...defaults } = defaultsBeside(model.defaults, quality, body);
  return {
    ...defaults,
    ...samplingOptions(body),
    ...withoutUndefined({ maxTokens: body.max_tokens, ignoreEos: body.ignore_eos, logProbs: body.logprobs, quality }),
  };
}

const finishReasons = { eos: "stop", stop: "stop", length: "length", context: "length", abort: "stop" } as const;

async function writeAnswer(
  { model, prompts, n, options }: Asked,
  index: number,
  { caller: { cacheKey }, signal }: Exchange,
  onChunk: (chunk: DecodeChunk) => void,
): Promise<WrittenAnswer> {
  const prompt = prompts[Math.floor(index / n)] as Prompt;
  const begin = `raw:${typeof prompt === "string" ? prompt : JSON.stringify([...prompt])}`;
  let written: WrittenAnswer | undefined;
  await model.pool.use({ text: begin, cacheKey, signal }, async (session) => {
    const prefill = await session.prefill(prompt, {
      ...{ replace: true, signal },
      ...withoutUndefined({ deterministic: options.deterministic, priority: options.priority }),
    });
    const handover = await session.switch({ signal, writer: options.writer });
    const stream = session.decode({ ...options, seed: seedOf(options.seed, index % n), signal });
    let text = begin;
    for await (const chunk of stream) {
      text += chunk.text;
      onChunk(chunk);
    }
    const decode = await stream.result;
    const usage: ChatUsage = {
      promptTokens: prefill.contextTokens,
      cachedTokens: prefill.keptTokens - prefill.refreshedTokens + prefill.cachedTokens,
      refreshedTokens: prefill.refreshedTokens + decode.refreshedTokens,
      completionTokens: decode.tokens,
      reasoningTokens: 0,
    };
    written = { index, stages: { prefill, handover, decode }, usage };
    return text;
  });
  return written as unknown as WrittenAnswer;
}

async function* completionEvents(asked: Asked, exchange: Exchange): AsyncGenerator<CompletionEvent, void> {
  const channel = new Channel<CompletionEvent>();
  const count = asked.prompts.length * asked.n;
  let left = count;
  const run = async (index: number) => {
    channel.push(await writeAnswer(asked, index, exchange, (chunk) => channel.push({ index, chunk })));
    if (--left > 0) return;
    channel.end();
    // The model tells the texts of tokens.
    if (asked.options.logProbs === undefined) exchange.giveBackModel();
  };
  for (let index = 0; index < count; index++)
    run(index).catch((error: unknown) => {
      exchange.abort(error);
      channel.end({ error });
    });
  yield* channel;
}

/** Each prompt counts once, however many answers it has. */
function totalUsage(answers: readonly WrittenAnswer[], n: number): ChatUsage {
  const firsts = answers.filter(({ index }) => index % n === 0);
  const sum = (of: readonly WrittenAnswer[], name: keyof ChatUsage) =>
    of.reduce((total, { usage }) => total + usage[name], 0);
  return {
    promptTokens: sum(firsts, "promptTokens"),
    cachedTokens: sum(firsts, "cachedTokens"),
    refreshedTokens: sum(answers, "refreshedTokens"),
    completionTokens: sum(answers, "completionTokens"),
    reasoningTokens: 0,
  };
}

const headOf = (model: string) => ({
  id: `cmpl-${randomUUID().replaceAll("-", "")}`,
  object: "text_completion",
  created: Math.floor(Date.now() / 1000),
  model,
  system_fingerprint: systemFingerprint,
});

export async function completions(exchange: Exchange): Promise<Response> {
  const body = parseBody(completionSchema, exchange.body, refusedInCompletion);
  if (body.stream_options !== undefined && body.stream !== true)
    throw badRequest("expected stream: true beside it", "stream_options");
  const prompts = promptsOf(body);
  const n = body.n ?? 1;
  refuseTooMany(prompts.length * n, exchange.limits.maxChoices, prompts.length > 1 ? "prompt" : "n");
  const named = exchange.store.resolve(body.model);
  const model = await exchange.take(named);
  const asked: Asked = { model, prompts, n, options: decodeOptionsOf(body, named, model) };
  const head = headOf(body.model ?? model.name);
  if (body.stream === true) return eventStream(exchange, chunks(asked, exchange, head, body));
  const count = prompts.length * n;
  const texts = Array.from({ length: count }, () => "");
  const logProbs: LogProbs[number][][] = Array.from({ length: count }, () => []);
  const answers: WrittenAnswer[] = [];
  for await (const event of completionEvents(asked, exchange)) {
    if ("stages" in event) answers[event.index] = event;
    else {
      texts[event.index] += event.chunk.text;
      logProbs[event.index]?.push(...(event.chunk.logProbs ?? []));
    }
  }
  exchange.usage = totalUsage(answers, n);
  const tokenTexts = new TokenTexts(model.pair);
  const choiceOf = async ({ stages }: WrittenAnswer, index: number) => ({
    index,
    text: texts[index],
    logprobs: body.logprobs === undefined ? null : await tokenTexts.legacy(logProbs[index] ?? [], 0),
    finish_reason: finishReasons[stages.decode.reason],
  });
  return Response.json({
    ...head,
    choices: await Promise.all(answers.map(choiceOf)),
    usage: usageBody(exchange.usage),
    timings: answers[0] && timingsBody(answers[0].stages, answers[0].usage),
  });
}

async function* chunks(
  asked: Asked,
  exchange: Exchange,
  head: object,
  body: CompletionBody,
): AsyncGenerator<ServerEvent, void> {
  const { model, prompts, n } = asked;
  const wantsUsage = body.stream_options?.include_usage === true;
  const texts = new TokenTexts(model.pair);
  const offsets = new Map<number, number>();
  const answers: WrittenAnswer[] = [];
  const chunk = (choices: readonly object[], more: object = {}): ServerEvent => ({
    data: { ...head, choices, ...(wantsUsage && { usage: null }), ...more },
  });
  for await (const event of completionEvents(asked, exchange)) {
    const { index } = event;
    if (!("stages" in event)) {
      const { text, logProbs } = event.chunk;
      const offset = offsets.get(index) ?? 0;
      offsets.set(index, offset + text.length);
      const logprobs = logProbs ? await texts.legacy(logProbs, offset) : null;
      yield chunk([{ index, text, logprobs, finish_reason: null }]);
      continue;
    }
    answers.push(event);
    const { stages, usage } = event;
    const isLast = answers.length === prompts.length * n && !wantsUsage;
    const ending = [{ index, text: "", logprobs: null, finish_reason: finishReasons[stages.decode.reason] }];
    yield chunk(ending, isLast ? { timings: timingsBody(stages, usage) } : {});
  }
  exchange.usage = totalUsage(answers, n);
  const [first] = answers;
  if (wantsUsage)
    yield chunk([], { usage: usageBody(exchange.usage), timings: first && timingsBody(first.stages, first.usage) });
  yield { data: "[DONE]" };
}
