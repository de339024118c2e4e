/**
 * The process of {@link measureServing}: the same answers asked for in this process and over HTTP, in turn. Client and
 * server share the thread of JavaScript, as they do in an app that serves itself; so what both cost is in the figures.
 */

import { loadPair, type Session } from "../../lib/index.js";
import { serve as startServer } from "../../lib/server/index.js";
import { serve } from "../child-process.js";
import { type AnswerTimes, askOverHttp, timesOf } from "../http-answer.js";

/** First the models, once; then a round, as often as is asked for. */
export type ServingRequest =
  | {
      readonly kind: "load";
      readonly prefill: string;
      readonly decode: string;
      readonly threads: number;
      readonly contextSize: number;
      readonly maxSessions: number;
    }
  | {
      readonly kind: "round";
      /** Nothing of a prompt was read before. */
      readonly direct: readonly number[];
      readonly served: readonly number[];
      readonly tokens: number;
    };

export interface ServingRound {
  readonly direct: AnswerTimes;
  readonly served: AnswerTimes;
}

/** Where the models are served, or the round. */
export type ServingAnswer = { readonly url: string } | ServingRound;

/** It lives as long as the process. */
let opened: { readonly session: Session; readonly url: string } | undefined;

serve<ServingRequest, ServingAnswer>(async (request) => {
  if (request.kind === "load") {
    const { prefill, decode, threads, contextSize, maxSessions } = request;
    const pair = await loadPair({
      prefill: { model: prefill },
      decode: { model: decode },
      // One is this process's own.
      ...{ contextSize, maxSessions: maxSessions + 1, threads, gpu: false, prefixCache: false },
    });
    const { url } = await startServer({ models: { pair }, port: 0 });
    opened = { session: await pair.createSession(), url };
    return { url };
  }
  if (!opened) throw new Error("no models were loaded");
  const { direct, served, tokens } = request;
  const { url, session } = opened;
  return {
    direct: await timesOf((prompt, count) => askHere(session, prompt, count), direct, tokens),
    served: await timesOf((prompt, count) => askOverHttp(url, prompt, count), served, tokens),
  };
});

/** What the server does for a request. */
async function askHere(session: Session, prompt: readonly number[], maxTokens: number): Promise<number> {
  const begin = performance.now();
  await session.prefill(prompt, { replace: true });
  await session.switch();
  let count = 0;
  for await (const { tokens } of session.decode({ maxTokens, temperature: 0, ignoreEos: true })) count += tokens.length;
  if (count !== maxTokens) throw new Error(`the pair wrote ${count} tokens`);
  return performance.now() - begin;
}
