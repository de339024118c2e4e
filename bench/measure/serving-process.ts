/**
 * The process of {@link measureServing}: the same answers asked for in this process and over HTTP, in turn. Client and
 * server share the thread of JavaScript, as they do in an app that serves itself; so what both cost is in the figures.
 */

import { loadPair, type Pair } from "../../lib/index.js";
import { serve as startServer } from "../../lib/server/index.js";
import { serve } from "../child-process.js";

export interface ServingRequest {
  readonly prefill: string;
  readonly decode: string;
  readonly threads: number;
  readonly prompt: readonly number[];
  readonly tokens: number;
  readonly rounds: number;
}

/** By round: milliseconds to the first token, and for each one after it. */
export interface AnswerTimes {
  readonly first: number[];
  readonly token: number[];
}

export interface ServingTiming {
  readonly direct: AnswerTimes;
  readonly served: AnswerTimes;
}

serve<ServingRequest, ServingTiming>(async ({ prefill, decode, threads, prompt, tokens, rounds }) => {
  await using pair = await loadPair({
    prefill: { model: prefill },
    decode: { model: decode },
    contextSize: prompt.length + tokens + 32,
    maxSessions: 2,
    threads,
    gpu: false,
    prefixCache: false,
  });
  await using server = await startServer({ models: { pair }, port: 0 });
  const direct: AnswerTimes = { first: [], token: [] };
  const served: AnswerTimes = { first: [], token: [] };
  // The first round is for graphs and connections that are made.
  for (let round = -1; round < rounds; round++) {
    // Nothing of a prompt was read before: its first token is new.
    const ask = (times: AnswerTimes, which: number, answer: AsyncIterable<number>) =>
      measure(round < 0 ? { first: [], token: [] } : times, tokens, answer, which);
    const begun = (which: number) => [300 + 2 * (round + 1) + which, ...prompt.slice(1)];
    await ask(direct, 0, answerHere(pair, begun(0), tokens));
    await ask(served, 1, answerOverHttp(server.url, begun(1), tokens));
  }
  return { direct, served };
});

async function measure(
  times: AnswerTimes,
  expected: number,
  answer: AsyncIterable<number>,
  which: number,
): Promise<void> {
  const begin = performance.now();
  let first = 0;
  let count = 0;
  for await (const n of answer) {
    if (count === 0 && n > 0) first = performance.now();
    count += n;
  }
  const end = performance.now();
  if (count !== expected) throw new Error(`${which === 0 ? "the pair" : "the server"} wrote ${count} tokens`);
  times.first.push(first - begin);
  times.token.push((end - first) / (count - 1));
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
