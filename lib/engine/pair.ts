/** A prefill model and a decode model loaded together, checked as compatible, on a thread of their own. */

import { Chat } from "../chat/chat.js";
import type { ChatOptions } from "../chat/options.js";
import { openSavedChat, type RestoreChatOptions } from "../chat/saved-chat.js";
import { createError } from "../errors/create-error.js";
import { abortable } from "../internal/abortable.js";
import type {
  NativeAnswerDelta,
  NativeAnswerParser,
  NativeCellFacts,
  NativeChatRequest,
  NativePair,
  NativeRenderedChat,
  NativeSession,
} from "../internal/binding-types.js";
import { fromCaller, syncFromCaller } from "../internal/caller-stack.js";
import { checkEncodeOptions, checkRecord, type DataRecord, type EncodedRecord, type EncodeOptions } from "./encode.js";
import type { DetokenizeOptions, Prompt, TokenizeOptions } from "./options.js";
import type { SessionOptions } from "./place-options.js";
import { checkSessionOptions } from "./place-validation.js";
import type { WarmOptions } from "./prefix-options.js";
import { checkWarmOptions } from "./prefix-validation.js";
import type { PairInfo, PairMetrics, PrefillResult } from "./results.js";
import type { RestoreOptions } from "./saved-session-options.js";
import { checkFile, checkRestoreOptions } from "./saved-session-validation.js";
import { type ScoreOptions, type ScoreResult, scoreOn } from "./score.js";
import { checkScore } from "./score-validation.js";
import { makeSession, type Session } from "./session.js";
import { openIfFree, openOnPlace } from "./session-place.js";
import { refuseLongText, refuseManyTokens } from "./text-limits.js";
import { checkDetokenizeOptions, checkText, checkTokenizeOptions, checkTokens } from "./validation.js";
import { decodeWriterNumber, defaultWriter, writerNumber } from "./writers.js";

/** Makes a pair of what was loaded; for {@link loadPair} only. */
export let wrapPair: (native: NativePair, info: PairInfo, queueTimeoutMs: number | undefined) => Pair;

/** Opens a session if there is a place free for it; for sessions only. */
export let sessionIfFree: (pair: Pair, writer: string) => Promise<Session | undefined>;

/** As {@link Pair.restore}, with the note that the session was saved with; for chats only. */
export let restoreNoted: (pair: Pair, file: string | URL, options: RestoreOptions) => Promise<NotedSession>;

/** What the cells of one of a pair's decode models depend on, by its number from 1 on; for servers only. */
export let cellFacts: (pair: Pair, writer: number) => Promise<NativeCellFacts>;

/** A restored session and its note. */
export interface NotedSession {
  readonly session: Session;
  readonly note: string;
}

/** Renders a chat off the JavaScript thread; for chats only. */
export let renderChat: (pair: Pair, template: string, request: NativeChatRequest) => Promise<NativeRenderedChat>;

/** Reads more of an answer off the JavaScript thread; for chats only. */
export let parseAnswer: (
  pair: Pair,
  parser: NativeAnswerParser,
  more: string,
  isLast: boolean,
) => Promise<NativeAnswerDelta[]>;

let nPairs = 0;

/** Made by {@link loadPair}. Owns native memory: dispose it, or use `await using`. */
export class Pair implements AsyncDisposable {
  /** A number that no other pair has in this thread; diagnostics events name it. */
  readonly id: number = ++nPairs;
  /** What was loaded, how the handover works and what it needs. */
  readonly info: PairInfo;
  readonly #native: NativePair;
  readonly #queueTimeoutMs: number | undefined;
  #disposed = false;

  private constructor(native: NativePair, info: PairInfo, queueTimeoutMs: number | undefined) {
    this.#native = native;
    this.info = info;
    this.#queueTimeoutMs = queueTimeoutMs;
  }

  static {
    // By `this`: a class that names itself within gets another name where the package is bundled.
    wrapPair = (native, info, queueTimeoutMs) => new this(native, info, queueTimeoutMs);
    sessionIfFree = async (pair, writer) => {
      const native = await openIfFree(pair.#native, writerNumber(pair.info.writers, writer));
      return native && makeSession(pair, native, writer);
    };
    restoreNoted = (pair, file, options) => pair.#restore(file, options);
    cellFacts = async (pair, writer) => {
      pair.#assertUsable();
      return pair.#native.cellFacts(writer);
    };
    renderChat = (pair, template, request) => pair.#native.renderChat(template, request);
    parseAnswer = (pair, parser, more, isLast) => pair.#native.parseAnswer(parser, more, isLast);
  }

  /** Whether the pair was disposed. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** What the pair has done so far. Throws ERR_DISPOSED. */
  metrics(): PairMetrics {
    return syncFromCaller(() => {
      this.#assertUsable();
      return this.#native.metrics();
    });
  }

  /**
   * Opens a conversation. Where `maxSessions` are open, it waits until one of them is disposed (or is garbage and was
   * collected, on which nobody should rely). A program that holds all places itself, and awaits one more, waits for ever: give
   * such a call a `signal`, or the pair a `queue.timeoutMs`. Without either a call that waits does not keep the process alive.
   *
   * Rejects with ERR_QUEUE_FULL if `queue.maxWaiting` calls wait already, ERR_QUEUE_TIMEOUT, ERR_DISPOSED after `dispose` and
   * for calls that wait then, ERR_INVALID_ARGUMENT, also for the name of a writer that the pair does not have; with `signal.reason` when aborted.
   */
  async createSession(options: SessionOptions = {}): Promise<Session> {
    return fromCaller(async () => {
      const { writer = defaultWriter(this.info.writers), ...request } = checkSessionOptions(options);
      const number = writerNumber(this.info.writers, writer);
      this.#assertUsable();
      return makeSession(this, await this.#place(request, number), writer);
    });
  }

  /**
   * Reads a prompt ahead, such as what an agent is told at the beginning of every conversation: whatever begins like it then
   * begins at once. The session that reads it ends with the call, and what was read stays in the prefix cache, as long as nothing
   * else needs its memory. Text that goes on may be cut into other tokens where the two meet: end a prompt that others follow
   * with a line break or a control token.
   *
   * Waits for a session's place as {@link Pair.createSession} does, and rejects with what that and {@link Session.prefill} reject
   * with; with ERR_INVALID_ARGUMENT where the pair keeps nothing ({@link PairInfo.prefixCacheBytes} is 0).
   */
  async warm(prompt: Prompt, options: WarmOptions = {}): Promise<PrefillResult> {
    return fromCaller(async () => {
      const { cacheKey, onProgress: _onProgress, ...checked } = checkWarmOptions(options);
      this.#assertUsable();
      if (this.info.prefixCacheBytes === 0)
        throw createError("ERR_INVALID_ARGUMENT", "the pair has no prefix cache to read ahead for", {
          parameter: "options.prefixCache",
        });
      const { priority, signal } = checked;
      await using session = await this.createSession({ priority, signal, cacheKey });
      return await session.prefill(prompt, { ...checked, onProgress: options.onProgress });
    });
  }

  /**
   * Opens the conversation that {@link Session.save} wrote to the file. It goes on as the saved one would have. The pair has
   * to be of the same models with the same adapters, handover and types of caches; the number of its sessions, how they share
   * memory and a longer context make no difference. Who writes is known by name. The totals of its
   * {@link Session.stats} begin at 0.
   *
   * Waits for a place as {@link Pair.createSession} does, and rejects with what that rejects with; with ERR_FILE_READ_FAILED,
   * ERR_SAVED_SESSION_INVALID for a file that is no saved session or a damaged one, ERR_SAVED_SESSION_MISMATCH for one of
   * another pair, with what differs in `details`; with `signal.reason` when aborted. The place is free again then.
   */
  async restore(file: string | URL, options: RestoreOptions = {}): Promise<Session> {
    return fromCaller(async () => (await this.#restore(file, options)).session);
  }

  async #restore(file: string | URL, options: RestoreOptions): Promise<NotedSession> {
    const path = checkFile(file);
    const request = checkRestoreOptions(options);
    this.#assertUsable();
    const { signal } = request;
    const { writers } = this.info;
    const native = await this.#place(request, writerNumber(writers, defaultWriter(writers)));
    try {
      const { writer, note } = await abortable(
        signal,
        () => native.abort(),
        () => native.restore(path),
      );
      return { session: makeSession(this, native, writer), note };
    } catch (error) {
      await native.dispose();
      throw error;
    }
  }

  /**
   * Opens the chat that {@link Chat.save} wrote to the file, with its messages. What is no message is given again: the
   * tools, the template and the like. Rejects with what {@link Pair.restore} rejects with; with ERR_SAVED_SESSION_INVALID
   * also for a session that is no chat's.
   */
  async restoreChat(file: string | URL, options: RestoreChatOptions = {}): Promise<Chat> {
    return fromCaller(() => openSavedChat(this, file, options));
  }

  /**
   * Begins a chat on a session of its own, which is opened with the first answer: that waits for a place as
   * {@link Pair.createSession} does. Throws ERR_INVALID_ARGUMENT, ERR_DISPOSED.
   */
  chat(options: ChatOptions = {}): Chat {
    return syncFromCaller(() => {
      this.#assertUsable();
      return new Chat(this, options);
    });
  }

  /**
   * The token ids of a text of up to 16,384 characters; {@link Pair.tokenizeAsync} takes any length. A character that the
   * vocabulary has no tokens for becomes its unknown token.
   *
   * Throws ERR_DISPOSED, ERR_HOST_ASYNC_ONLY for a pair in a host, and ERR_INVALID_ARGUMENT: also for a longer text, and for such a
   * character where the vocabulary has no unknown token.
   */
  tokenize(text: string, options: TokenizeOptions = {}): number[] {
    return syncFromCaller(() => {
      const { addSpecial, parseSpecial } = checkTokenizeOptions(options);
      const checked = checkText(text);
      this.#assertUsable();
      refuseLongText(checked, "text");
      return Array.from(this.#native.tokenize(checked, addSpecial, parseSpecial));
    });
  }

  /**
   * As {@link Pair.tokenize} for a text of any length, off the JavaScript thread, one call after the other. Of a run of more
   * than 64 KiB in which no word ends (only byte-pair vocabularies need that bound) the tokens may differ where it is cut.
   *
   * Rejects with ERR_INVALID_ARGUMENT, ERR_OUT_OF_MEMORY or ERR_DISPOSED.
   */
  async tokenizeAsync(text: string, options: TokenizeOptions = {}): Promise<number[]> {
    return fromCaller(async () => {
      const { addSpecial, parseSpecial } = checkTokenizeOptions(options);
      const checked = checkText(text);
      this.#assertUsable();
      return Array.from(await this.#native.tokenizeLater(checked, addSpecial, parseSpecial));
    });
  }

  /**
   * The text of up to 65,536 token ids; {@link Pair.detokenizeAsync} takes any number. Where they begin with BOS it is
   * without the space that SentencePiece vocabularies put before a text. Throws ERR_INVALID_ARGUMENT for more, and for an id
   * outside the vocabulary; ERR_DISPOSED, ERR_HOST_ASYNC_ONLY.
   */
  detokenize(tokens: readonly number[] | Int32Array | Uint32Array, options: DetokenizeOptions = {}): string {
    return syncFromCaller(() => {
      const { special } = checkDetokenizeOptions(options);
      const checked = checkTokens(tokens);
      this.#assertUsable();
      refuseManyTokens(checked);
      return this.#native.detokenize(checked, special);
    });
  }

  /** As {@link Pair.detokenize} for any number of tokens, off the JavaScript thread. Rejects with what that throws. */
  async detokenizeAsync(
    tokens: readonly number[] | Int32Array | Uint32Array,
    options: DetokenizeOptions = {},
  ): Promise<string> {
    return fromCaller(async () => {
      const { special } = checkDetokenizeOptions(options);
      const checked = checkTokens(tokens);
      this.#assertUsable();
      return await this.#native.detokenizeLater(checked, special);
    });
  }

  /**
   * How likely responses to a prompt are to the prefill model, to a decode model and in two stages, token by token. Nothing
   * is generated: each row is given the response's own tokens. In two stages the first token is the prefill model's, as in
   * generation, and so is the first one after each refresh. Responses as text are tokenised together with a prompt that is
   * text.
   *
   * Takes a session's place while it runs, and waits for one as {@link Pair.createSession} does. The prompt is read once by each model, and again by those rows that share a cache
   * with one that read it otherwise. Besides the models it takes 128 MiB at most, for the distributions of a piece of a
   * response; only responses beyond a piece (16 million values: 130 tokens of a vocabulary of 128,000) are read in several.
   *
   * Rejects with ERR_INVALID_ARGUMENT, ERR_CONTEXT_OVERFLOW if the prompt and the longest response do not fit,
   * ERR_QUEUE_FULL, ERR_QUEUE_TIMEOUT, ERR_DISPOSED, ERR_INFERENCE_FAILED or ERR_OUT_OF_MEMORY; with `signal.reason` when
   * aborted.
   */
  async score(
    prompt: Prompt,
    responses: readonly (string | readonly number[] | Int32Array | Uint32Array)[],
    options: ScoreOptions = {},
  ): Promise<ScoreResult> {
    return fromCaller(() => this.#score(prompt, responses, options));
  }

  async #score(prompt: unknown, responses: unknown, options: ScoreOptions): Promise<ScoreResult> {
    const checked = checkScore(prompt, responses, options);
    this.#assertUsable();
    const { writers } = this.info;
    const { priority, signal } = checked.options;
    const writer = decodeWriterNumber(writers, checked.options.writer ?? defaultWriter(writers));
    const session = await this.#place({ priority, signal }, writer);
    try {
      return await scoreOn(session, checked, writer);
    } finally {
      await session.dispose();
    }
  }

  /**
   * A record of training or evaluation data as the tokens that training makes of it: a chat through the prefill model's own
   * template, all but its last message as the prompt; a prompt with its response and the token that ends it; or plain text,
   * all of it the response. Takes up to 16,384 characters of JSON; {@link Pair.encodeAsync} takes any length.
   *
   * Throws ERR_DATA_INVALID for a record that makes no example or does not fit in a session (also a chat with tools, and a
   * character that the vocabulary has no tokens for), ERR_MODEL_UNSUPPORTED for a chat and a model without a chat template,
   * ERR_INVALID_ARGUMENT for a value that is not an object and for a longer record, ERR_HOST_ASYNC_ONLY.
   */
  encode(record: DataRecord, options: EncodeOptions = {}): EncodedRecord {
    return syncFromCaller(() => {
      const json = checkRecord(record);
      const { closeResponse } = checkEncodeOptions(options);
      this.#assertUsable();
      refuseLongText(json, "record");
      return toEncoded(this.#native.encode(json, closeResponse));
    });
  }

  /** As {@link Pair.encode} for a record of any length, off the JavaScript thread. Rejects with what that throws. */
  async encodeAsync(record: DataRecord, options: EncodeOptions = {}): Promise<EncodedRecord> {
    return fromCaller(async () => {
      const json = checkRecord(record);
      const { closeResponse } = checkEncodeOptions(options);
      this.#assertUsable();
      return toEncoded(await this.#native.encodeLater(json, closeResponse));
    });
  }

  /** Ends what runs in all sessions and what waits for one (it rejects with ERR_DISPOSED) and frees everything. Idempotent; waits for the work. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#native.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #place(
    { priority, signal, cacheKey = "" }: Pick<SessionOptions, "cacheKey" | "signal"> & { readonly priority: number },
    writer: number,
  ): Promise<NativeSession> {
    return openOnPlace(this.#native, { priority, signal, writer, cacheKey, timeoutMs: this.#queueTimeoutMs });
  }

  #assertUsable(): void {
    if (this.#disposed) throw createError("ERR_DISPOSED", "the pair was disposed", {});
  }
}

function toEncoded({
  prompt,
  response,
}: {
  readonly prompt: Int32Array;
  readonly response: Int32Array;
}): EncodedRecord {
  return { prompt: Array.from(prompt), response: Array.from(response) };
}
