/** What an answer tells of itself: usage, times and log-probabilities, in OpenAI's and llama.cpp's shapes. */

import type { ChatAnswer, ChatFinishReason, ChatUsage } from "../chat/index.js";
import type { DecodeChunk, DecodeResult, HandoverReport, Pair, PrefillResult } from "../engine/index.js";
import { ownVersion, prebuiltLlamaVersion } from "../internal/versions.js";

/** Begins with a `b` as llama.cpp's does. */
export const systemFingerprint = `b-overfill-${ownVersion}-llama.cpp-${prebuiltLlamaVersion}`;

export const finishReason = (reason: ChatFinishReason): string =>
  ({ stop: "stop", length: "length", "tool-calls": "tool_calls", context: "length", abort: "stop" })[reason];

/** Of all answers to a request, whose prompt counts once. */
export function joinedUsage(usages: readonly ChatUsage[]): ChatUsage {
  const [first] = usages;
  const sum = (name: keyof ChatUsage) => usages.reduce((total, usage) => total + usage[name], 0);
  return {
    promptTokens: first?.promptTokens ?? 0,
    cachedTokens: first?.cachedTokens ?? 0,
    refreshedTokens: sum("refreshedTokens"),
    completionTokens: sum("completionTokens"),
    reasoningTokens: sum("reasoningTokens"),
  };
}

export const usageBody = ({ promptTokens, cachedTokens, completionTokens, reasoningTokens }: ChatUsage) => ({
  prompt_tokens: promptTokens,
  completion_tokens: completionTokens,
  total_tokens: promptTokens + completionTokens,
  prompt_tokens_details: { cached_tokens: cachedTokens },
  completion_tokens_details: { reasoning_tokens: reasoningTokens },
});

/** How the stages went. */
export interface Stages {
  readonly prefill: PrefillResult;
  readonly handover: HandoverReport;
  readonly decode: DecodeResult;
}

const per = (amount: number, count: number) => (count > 0 ? amount / count : 0);

/** llama.cpp's `timings`, and beside them what the three stages tell. */
export function timingsBody({ prefill, handover, decode }: Stages, usage: ChatUsage) {
  const read = usage.promptTokens - usage.cachedTokens;
  return {
    cache_n: usage.cachedTokens,
    prompt_n: read,
    prompt_ms: prefill.ms,
    prompt_per_token_ms: per(prefill.ms, read),
    prompt_per_second: per(read * 1000, prefill.ms),
    predicted_n: decode.tokens,
    predicted_ms: decode.ms,
    predicted_per_token_ms: per(decode.ms, decode.tokens),
    predicted_per_second: per(decode.tokens * 1000, decode.ms),
    ...(decode.verification && {
      draft_n: decode.verification.draftedTokens,
      draft_n_accepted: decode.verification.keptTokens,
    }),
    overfill: {
      writer: decode.writer,
      prefill_tokens: prefill.promptTokens,
      refreshed_tokens: usage.refreshedTokens,
      handover: handover.kind,
      handover_tokens: handover.tokens,
      handover_bytes: handover.bytes,
      handover_ms: handover.ms,
      refreshes: decode.refreshes,
      ...(decode.verification && { verification: decode.verification }),
    },
  };
}

/** Of a chat's answer; undefined where it was stopped before it could say anything. */
export function answerTimings({ steps, usage }: ChatAnswer) {
  const step = steps.at(-1);
  return step && timingsBody(step, usage);
}

export type LogProbs = NonNullable<DecodeChunk["logProbs"]>;

/** The smallest number that JSON can say of a token that cannot come. */
const impossible = -9999;
const finite = (logProb: number) => (Number.isFinite(logProb) ? logProb : impossible);

const tokensOf = (logProbs: LogProbs) => logProbs.flatMap(({ token, top }) => [token, ...top.map((one) => one.token)]);

/** The texts of tokens, each looked up once. A piece of a character is not a text, and has no bytes that could be told. */
export class TokenTexts {
  readonly #pair: Pair;
  readonly #texts = new Map<number, string>();

  constructor(pair: Pair) {
    this.#pair = pair;
  }

  /** In the order of the tokens. */
  async of(tokens: readonly number[]): Promise<string[]> {
    await this.#learn(tokens);
    return tokens.map((token) => this.#known(token));
  }

  async #learn(tokens: readonly number[]): Promise<void> {
    const unknown = [...new Set(tokens)].filter((token) => !this.#texts.has(token));
    const learn = async (token: number) =>
      this.#texts.set(token, await this.#pair.detokenizeAsync([token], { special: true }));
    await Promise.all(unknown.map(learn));
  }

  #known(token: number): string {
    return this.#texts.get(token) ?? "";
  }

  #entry({ token, logProb }: { readonly token: number; readonly logProb: number }) {
    const text = this.#known(token);
    return { token: text, bytes: text.includes("\uFFFD") ? null : [...Buffer.from(text)], logprob: finite(logProb) };
  }

  /** As chat completions have them. */
  async content(logProbs: LogProbs) {
    await this.#learn(tokensOf(logProbs));
    return logProbs.map((entry) => ({ ...this.#entry(entry), top_logprobs: entry.top.map((one) => this.#entry(one)) }));
  }

  /** As completions have them. @param offset of the first token in the text */
  async legacy(logProbs: LogProbs, offset: number) {
    await this.#learn(tokensOf(logProbs));
    let at = offset;
    const offsets = logProbs.map(({ token }) => {
      const here = at;
      at += this.#known(token).length;
      return here;
    });
    return {
      tokens: logProbs.map(({ token }) => this.#known(token)),
      token_logprobs: logProbs.map(({ logProb }) => finite(logProb)),
      top_logprobs: logProbs.map(({ top }) =>
        Object.fromEntries(top.map(({ token, logProb }) => [this.#known(token), finite(logProb)])),
      ),
      text_offset: offsets,
    };
  }
}
