/** A prefill model and a decode model loaded together, checked as compatible, on a thread of their own. */

import { createError } from "../errors/create-error.js";
import type { NativePair } from "../internal/binding-types.js";
import { checkEncodeOptions, checkRecord, type DataRecord, type EncodedRecord, type EncodeOptions } from "./encode.js";
import type { Prompt } from "./options.js";
import type { PairInfo } from "./results.js";
import { type ScoreOptions, type ScoreResult, scoreOn } from "./score.js";
import { checkScore } from "./score-validation.js";
import { Session } from "./session.js";
import { checkText, checkTokens } from "./validation.js";

/** Made by {@link loadPair}. Owns native memory: dispose it, or use `await using`. */
export class Pair implements AsyncDisposable {
  /** What was loaded, how the handover works and what it takes. */
  readonly info: PairInfo;
  readonly #native: NativePair;
  #disposed = false;

  /** @internal Made by {@link loadPair}. */
  constructor(native: NativePair, info: PairInfo) {
    this.#native = native;
    this.info = info;
  }

  /** Whether the pair was disposed. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /**
   * Opens a conversation. Rejects with ERR_SESSION_LIMIT if `maxSessions` are open, ERR_DISPOSED after `dispose`.
   */
  async createSession(): Promise<Session> {
    this.#assertUsable();
    return new Session(this, this.#native.createSession());
  }

  /**
   * The token ids of a text. `addSpecial` adds the tokens that the vocabulary puts around a text, such as BOS;
   * `parseSpecial` turns text such as `<|im_end|>` into control tokens. Both default to false.
   */
  tokenize(text: string, options: { readonly addSpecial?: boolean; readonly parseSpecial?: boolean } = {}): number[] {
    this.#assertUsable();
    return Array.from(
      this.#native.tokenize(checkText(text), options.addSpecial ?? false, options.parseSpecial ?? false),
    );
  }

  /**
   * The text of token ids; with `special` (default false) control tokens appear in it. Throws ERR_INVALID_ARGUMENT for an
   * id outside the vocabulary.
   */
  detokenize(
    tokens: readonly number[] | Int32Array | Uint32Array,
    options: { readonly special?: boolean } = {},
  ): string {
    this.#assertUsable();
    return this.#native.detokenize(checkTokens(tokens), options.special ?? false);
  }

  /**
   * How likely responses to a prompt are to the prefill model, to the decode model and in two stages, token by token. Nothing
   * is generated: each row is given the response's own tokens. In two stages the first token is the prefill model's, as in
   * generation, and so is the first one after each refresh. Responses as text are tokenised together with a prompt that is
   * text.
   *
   * Takes a session's place while it runs. The prompt is read once by each model, and again by those rows that share a cache
   * with one that read it otherwise. Besides the models it takes 128 MiB at most, for the distributions of a piece of a
   * response; only responses beyond a piece (16 million values: 130 tokens of a vocabulary of 128,000) are read in several.
   *
   * Rejects with ERR_INVALID_ARGUMENT, ERR_CONTEXT_OVERFLOW if the prompt and the longest response do not fit,
   * ERR_SESSION_LIMIT if `maxSessions` are open, ERR_DISPOSED, ERR_INFERENCE_FAILED or ERR_OUT_OF_MEMORY; with
   * `signal.reason` when aborted.
   */
  async score(
    prompt: Prompt,
    responses: readonly (string | readonly number[] | Int32Array | Uint32Array)[],
    options: ScoreOptions = {},
  ): Promise<ScoreResult> {
    const checked = checkScore(prompt, responses, options);
    this.#assertUsable();
    checked.options.signal?.throwIfAborted();
    const session = this.#native.createSession();
    try {
      return await scoreOn(session, checked);
    } finally {
      await session.dispose();
    }
  }

  /**
   * A record of training or evaluation data as the tokens that training makes of it: a chat through the prefill model's own
   * template, all but its last message as the prompt; a prompt with its response and the token that ends it; or plain text,
   * all of it the response.
   *
   * Throws ERR_DATA_INVALID for a record that makes no example or does not fit in a session, ERR_MODEL_UNSUPPORTED for a chat
   * and a model without a chat template, ERR_INVALID_ARGUMENT for what is no object.
   */
  encode(record: DataRecord, options: EncodeOptions = {}): EncodedRecord {
    const json = checkRecord(record);
    const { closeResponse } = checkEncodeOptions(options);
    this.#assertUsable();
    const { prompt, response } = this.#native.encode(json, closeResponse);
    return { prompt: Array.from(prompt), response: Array.from(response) };
  }

  /** Ends what runs in all sessions (it rejects with ERR_DISPOSED) and frees everything. Idempotent; waits for the work. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#native.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #assertUsable(): void {
    if (this.#disposed) throw createError("ERR_DISPOSED", "the pair was disposed", {});
  }
}
