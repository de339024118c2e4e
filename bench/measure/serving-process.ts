/**
 * The process of {@link measureServing}: the same answers asked for in this process and over HTTP, in turn. Client and
 * server share the thread of JavaScript, as they do in an app that serves itself; so what both cost is in the figures.
 */

import { loadPair, type Pair } from "../../lib/index.js";
import { serve as startServer } from "../../lib/server/index.js";
import { serve } from "../child-process.js";

/** First the models, once; then a round, as often as is asked for. */
export type ServingRequest =
  | {
      readonly kind: "load";
      readonly prefill: string;
      readonly decode: string;
      readonly threads: number;
      readonly contextSize: number;
    }
  | {
      readonly kind: "round";
      /** Nothing of a prompt was read before. */
      readonly direct: readonly number[];
      readonly served: readonly number[];
      readonly tokens: number;
    };

/** Milliseconds to the first token, and for each one after it. */
export interface AnswerTimes {
  readonly first: number;
  readonly token: number;
}

export interface ServingRound {
  readonly direct: AnswerTimes;
  readonly served: AnswerTimes;
}

/** It lives as long as the process. */
let opened: { readonly pair: Pair; readonly url: string } | undefined;

serve<ServingRequest, ServingRound | null>(async (request) => {
  if (request.kind === "load") {
    const { prefill, decode, threads, contextSize } = request;
    const pair = await loadPair({
      prefill: { model: prefill },
      decode: { model: decode },
      ...{ contextSize, maxSessions: 2, threads, gpu: false, prefixCache: false },
    });
    const { url } = await startServer({ models: { pair }, port: 0 });
    opened = { pair, url };
    return null;
  }
  if (!opened) throw new Error("no models were loaded");
  const { direct, served, tokens } = request;
  return {
    direct: await measure("the pair", tokens, answerHere(opened.pair, direct, tokens)),
    served: await measure("the server", tokens, answerOverHttp(opened.url, served, tokens)),
  };
});

async function measure(who: string, expected: number, answer: AsyncIterable<number>): Promise<AnswerTimes> {
  const begin = performance.now();
  let first = 0;
  let count = 0;
  for await (const n of answer) {
    if (count === 0 && n > 0) first = performance.now();
    count += n;
  }
  const end = performance.now();
  if (count !== expected) throw new Error(`${who} wrote ${count} tokens`);
  return { first: first - begin, token: (end - first) / (count - 1) };
}

async function* answerHere(pair: Pair, prompt: readonly number[], maxTokens: number): AsyncGenerator<number> {
  await using session = await pair.createSession();
  await session.prefill(prompt);
  await session.switch();
  for await (const { tokens } of session.decode({ maxTokens, temperature: 0, ignoreEos: true })) yield tokens.length;
}

/** Tokens are counted at the end: a piece of text may be of several, and a token may have none yet. */
async function* answerOverHttp(url: string, prompt: readonly number[], maxTokens: number): AsyncGenerator<number> {
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      ...{ prompt, max_tokens: maxTokens, temperature: 0, ignore_eos: true },
      ...{ stream: true, stream_options: { include_usage: true } },
    }),
  });
  if (!response.ok || !response.body) throw new Error(await response.text());
  let rest = "";
  let told = 0;
  for await (const bytes of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + bytes).split("\n\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (!line.startsWith("data: {")) continue;
      const { usage, choices } = JSON.parse(line.slice("data: ".length)) as {
        readonly usage: { readonly completion_tokens: number } | null;
        readonly choices: readonly { readonly text: string }[];
      };
      if (usage) yield usage.completion_tokens - told;
      else if (told === 0 && choices[0]?.text !== "") {
        told = 1;
        yield 1;
      }
    }
  }
}
