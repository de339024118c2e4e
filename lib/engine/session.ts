/** One conversation on a pair: prefill, switch, decode, in that order; `generate` runs all three. */

import { createError } from "../errors/create-error.js";
import { abortable } from "../internal/abortable.js";
import type { NativeCells, NativeDecodeOptions, NativeSession } from "../internal/binding-types.js";
import { type CallSite, callSite, fromCaller, syncFromCaller } from "../internal/caller-stack.js";
import { type DecodeStream, makeDecodeStream } from "./decode-stream.js";
import { observed, publishDecode, publishPrefill, publishSwitch, type StageOrigin } from "./diagnostics.js";
import type {
  DecodeOptions,
  DetokenizeOptions,
  GenerateOptions,
  PrefillOptions,
  Prompt,
  SwitchOptions,
  TokenizeOptions,
} from "./options.js";
import { type Pair, sessionIfFree } from "./pair.js";
import type { ForkOptions } from "./place-options.js";
import type { GeneratedAnswer, GenerateResult, HandoverReport, PrefillResult, SessionStats } from "./results.js";
import type { SaveOptions } from "./saved-session-options.js";
import { checkFile, checkSaveOptions } from "./saved-session-validation.js";
import { type AnswerPlace, seedOf, writeAnswers } from "./several-answers.js";
import { readAnswer, readPrompt, toReport } from "./stage-results.js";
import {
  checkDecodeOptions,
  checkForkOptions,
  checkGenerateOptions,
  checkPrefillOptions,
  checkPrompt,
  checkSwitchOptions,
  checkTokenCount,
  toNativeDecodeOptions,
} from "./validation.js";
import { writerNumber } from "./writers.js";

/** Makes a session; for {@link Pair.createSession} only. */
export let makeSession: (pair: Pair, native: NativeSession, writer: string) => Session;

/** What a chat asks of an answer besides the public options. */
export type ChatDecodeOptions = Pick<
  NativeDecodeOptions,
  "grammarLazy" | "grammarTriggers" | "generationPrompt" | "reasoningBudget" | "preservedTokens" | "syntheticAcceptance"
>;

/** As {@link Session.save}, with a note that comes back with the session; for chats only. */
export let saveNoted: (session: Session, file: string | URL, note: string, options: SaveOptions) => Promise<void>;

/** As {@link Session.decode}; for chats and benchmarks only. */
export let decodeChat: (session: Session, options: DecodeOptions, chat: ChatDecodeOptions) => DecodeStream;

/** The cells of tokens right after a switch, for a writer on another machine; for servers only. */
export let giveCells: (session: Session, from: number, nTokens: number, withLogits: boolean) => Promise<NativeCells>;

/** Whether the session went away with its host and does not come back; for chats only. */
export let isLost: (session: Session) => boolean;

let nSessions = 0;

/**
 * Made by {@link Pair.createSession}. Runs one stage at a time: a second call while one runs is refused with
 * ERR_SESSION_BUSY, a call out of order with ERR_STAGE_ORDER, a call after `dispose` with ERR_DISPOSED.
 */
export class Session implements AsyncDisposable {
  /** A number that no other session has in this thread, of whichever pair; diagnostics events name it. */
  readonly id: number = ++nSessions;
  /** The pair that the session belongs to. */
  readonly pair: Pair;
  readonly #native: NativeSession;
  readonly #origin: StageOrigin;
  /** The one that the session has switched to. */
  #writer: string;
  /** How often the session's text was changed from here: a reader who leaves takes back nothing but the last change. */
  #changes = 0;
  #disposed = false;

  private constructor(pair: Pair, native: NativeSession, writer: string) {
    this.pair = pair;
    this.#native = native;
    this.#origin = { pairId: pair.id, sessionId: this.id };
    this.#writer = writer;
  }

  static {
    // By `this`: a class that names itself within gets another name where the package is bundled.
    makeSession = (pair, native, writer) => new this(pair, native, writer);
    decodeChat = (session, options, chat) => session.#decode(options, chat);
    giveCells = (session, ...args) => session.#native.giveCells(...args);
    isLost = (session) => session.#native.lost === true;
    saveNoted = (session, file, note, options) => session.#save(file, note, options);
  }

  /** Whether the session or its pair was disposed. */
  get disposed(): boolean {
    return this.#disposed || this.pair.disposed;
  }

  /**
   * Stage one: the prefill model reads the prompt. In a later turn it first reads again what the decode model wrote
   * ({@link PrefillOptions.refresh}). May be called several times in a row to add to the prompt: texts are read as one, so
   * that only the first begins with BOS and with the space that SentencePiece vocabularies put before a text. A first text
   * that begins with the text of BOS itself, as prompts on model cards do, gets no second one.
   *
   * Rejects with ERR_INVALID_ARGUMENT (an empty prompt, a token outside the vocabulary, a
   * character that the vocabulary has no tokens for), ERR_CONTEXT_OVERFLOW (nothing is
   * read then), ERR_OUT_OF_MEMORY or ERR_INFERENCE_FAILED; with `signal.reason` when aborted. After an abort the session
   * is as it was before, except that a refresh may have begun: then another prefill has to follow.
   */
  async prefill(prompt: Prompt, options: PrefillOptions = {}): Promise<PrefillResult> {
    return fromCaller(() => this.#prefill(prompt, options));
  }

  async #prefill(prompt: Prompt, options: PrefillOptions): Promise<PrefillResult> {
    const checked = checkPrefillOptions(options);
    const input = checkPrompt(prompt);
    this.#assertUsable();
    checked.signal?.throwIfAborted();
    return observed(
      () => this.#read(input, checked, options.onProgress),
      checked.signal,
      (end) => publishPrefill(this.#origin, end),
    );
  }

  async #read(
    input: string | Int32Array,
    checked: ReturnType<typeof checkPrefillOptions>,
    onProgress: PrefillOptions["onProgress"],
  ): Promise<PrefillResult> {
    const result = await readPrompt(this.#native, input, checked, onProgress);
    this.#changes++;
    return result;
  }

  /**
   * Stage two: hands the KV cache over to the decode model, of several to the session's or the one named. Moves no byte when
   * they share the cache.
   *
   * Rejects with ERR_STAGE_ORDER unless a prefill came right before; with ERR_INFERENCE_FAILED or ERR_OUT_OF_MEMORY if a
   * copy failed, after which it can be tried again.
   */
  async switch(options: SwitchOptions = {}): Promise<HandoverReport> {
    return fromCaller(() => this.#switch(options));
  }

  async #switch(options: SwitchOptions): Promise<HandoverReport> {
    const { signal, writer } = checkSwitchOptions(options);
    this.#assertUsable();
    signal?.throwIfAborted();
    const number = this.#numberOf(writer);
    const abort = () => this.#native.abort();
    return observed(
      async () => {
        const native = await abortable(signal, abort, () => this.#native.handOver(number));
        this.#writer = native.writer;
        return toReport(native);
      },
      signal,
      (end) => publishSwitch(this.#origin, end),
    );
  }

  /**
   * Stage three: the answer as a stream of chunks. The first token comes from the prefill model's own logits, as in the
   * paper (arXiv 2508.08446); the decode model reads it and writes on. After `length`, `context` or an abort, another
   * `decode` goes on with the answer: with the same grammar and the same seed (or none) as if it had not been cut short (drawn
   * answers of a `quality` that is checked: with the same distribution); another grammar or seed begins there. After `eos` or `stop` a new prefill comes first. Another writer takes over what the
   * one before it wrote: from the cache that they share, or by reading it.
   *
   * Throws ERR_INVALID_ARGUMENT at once; everything else is thrown by the iteration.
   */
  decode(options: DecodeOptions = {}): DecodeStream {
    return this.#decode(options, {});
  }

  #decode(options: DecodeOptions, chat: ChatDecodeOptions): DecodeStream {
    const checked = syncFromCaller(() => {
      this.#assertUsable();
      const checked = checkDecodeOptions(options);
      this.#numberOf(checked.writer);
      return checked;
    });
    return this.#stream({ ...toNativeDecodeOptions(checked), ...chat }, checked, callSite());
  }

  /**
   * All three stages: reads the prompt, switches, writes the answer and returns it whole. Rejects with what the stages
   * reject with, and with `signal.reason` when aborted.
   */
  async generate(prompt: Prompt, options: GenerateOptions = {}): Promise<GenerateResult> {
    return fromCaller(() => this.#generate(prompt, options, callSite()));
  }

  async #generate(prompt: Prompt, options: GenerateOptions, site: CallSite): Promise<GenerateResult> {
    const {
      refresh,
      parseSpecial,
      replace,
      onProgress: _onProgress,
      n,
      onChunk,
      ...decodeOptions
    } = checkGenerateOptions(options);
    const { signal, writer } = decodeOptions;
    this.#numberOf(writer);
    const prefill = await this.#prefill(prompt, {
      refresh,
      parseSpecial,
      replace,
      deterministic: decodeOptions.deterministic,
      priority: decodeOptions.priority,
      ...(options.onProgress && { onProgress: options.onProgress }),
      ...(signal && { signal }),
    });
    const handover = await this.#switch({ signal, writer });
    const { seed } = decodeOptions;
    const write = async (session: Session, index: number, signal: AbortSignal | undefined) => {
      const asked = seed === undefined ? decodeOptions : { ...decodeOptions, seed: seedOf(seed, index) };
      const stream = session.#stream(toNativeDecodeOptions(asked), { signal, writer }, site);
      return readAnswer(stream, onChunk && ((chunk) => onChunk(chunk, index)));
    };
    const placeOf = (session: Session): AnswerPlace => ({
      write: (index, signal) => write(session, index, signal),
      takeBack: (tokens) => session.#native.retract(tokens),
      dispose: () => session.dispose(),
    });
    const forkIfFree = async () => {
      const fork = await sessionIfFree(this.pair, this.#writer);
      return fork && placeOf(await this.#forkTo(fork, signal));
    };
    const [first, ...others] =
      n === 1 ? [await write(this, 0, signal)] : await writeAnswers(n, placeOf(this), forkIfFree, signal);
    return { ...(first as GeneratedAnswer), prefill, handover, answers: [first as GeneratedAnswer, ...others] };
  }

  /**
   * A second session with the same past: it can go on from here with another prompt or another answer, and what either does
   * later the other does not see. Nothing is read again. The new session takes a place of its own (`maxSessions`), into which
   * the session's keys and values are copied; a recurrent state is copied where it is written next. Its totals begin at 0.
   * Without a `seed` each draws answers of its own.
   *
   * Rejects with ERR_SESSION_BUSY while a stage runs, ERR_DISPOSED, ERR_OUT_OF_MEMORY, and with what
   * {@link Pair.createSession} rejects with: it waits for its place like a call of that; with `signal.reason` when aborted.
   */
  async fork(options: ForkOptions = {}): Promise<Session> {
    return fromCaller(() => this.#fork(options));
  }

  async #fork(options: ForkOptions): Promise<Session> {
    const { signal } = checkForkOptions(options);
    this.#assertUsable();
    return this.#forkTo(await this.pair.createSession({ ...options, writer: this.#writer }), signal);
  }

  /** Disposes the session that was to be the fork where that fails. */
  async #forkTo(session: Session, signal: AbortSignal | undefined): Promise<Session> {
    try {
      await abortable(
        signal,
        () => this.#native.abort(),
        () => this.#native.fork(session.#native),
      );
    } catch (error) {
      await session.dispose();
      throw error;
    }
    session.#writer = this.#writer;
    return session;
  }

  /**
   * Writes the session to a file, from which {@link Pair.restore} makes a session that goes on as this one would: with the
   * same tokens, within an answer too, or within a grammar or a character. Nothing is read again then. The file holds the
   * caches (about {@link PairInfo.kvBytesPerToken} bytes a token) and is for this pair of models. It appears whole or not at
   * all, in place of one of the same name. The state is copied first and written while other sessions go on.
   *
   * Rejects with ERR_FILE_WRITE_FAILED, ERR_SESSION_BUSY while a stage runs, ERR_DISPOSED, ERR_OUT_OF_MEMORY,
   * ERR_MODEL_UNSUPPORTED for a model with a compressed memory (DeepSeek 4), ERR_INVALID_ARGUMENT; with `signal.reason` when
   * aborted.
   */
  async save(file: string | URL, options: SaveOptions = {}): Promise<void> {
    return fromCaller(() => this.#save(file, "", options));
  }

  async #save(file: string | URL, note: string, options: SaveOptions): Promise<void> {
    const path = checkFile(file);
    const { compress, signal } = checkSaveOptions(options);
    this.#assertUsable();
    await abortable(
      signal,
      () => this.#native.abort(),
      () => this.#native.save(path, note, compress !== undefined),
    );
  }

  /**
   * Keeps the first `nTokens` tokens of the session's text ({@link SessionStats.contextTokens}) and forgets the rest. Nothing
   * that stays is read again, but where a model's state cannot be cut at a token ({@link SessionStats.restoredTokens}). What
   * comes next depends on where the cut is:
   * - at the end: nothing changes;
   * - in the last answer, or right before it: `decode` writes on from there, with what it would have had if the answer had
   *   been cut short there, and whatever options it is given;
   * - before that: a prefill. 0 makes an empty session of it.
   *
   * Rejects with ERR_INVALID_ARGUMENT where the session has fewer tokens, ERR_SESSION_BUSY while a stage runs, ERR_DISPOSED.
   */
  async truncate(nTokens: number): Promise<void> {
    return fromCaller(async () => {
      const checked = checkTokenCount(nTokens, "nTokens");
      this.#assertUsable();
      await this.#native.truncate(checked);
      this.#changes++;
    });
  }

  /** {@link Pair.tokenize} */
  tokenize(text: string, options?: TokenizeOptions): number[] {
    this.#assertUsable();
    return this.pair.tokenize(text, options);
  }

  /** {@link Pair.tokenizeAsync} */
  async tokenizeAsync(text: string, options?: TokenizeOptions): Promise<number[]> {
    this.#assertUsable();
    return await this.pair.tokenizeAsync(text, options);
  }

  /** {@link Pair.detokenize} */
  detokenize(tokens: readonly number[] | Int32Array | Uint32Array, options?: DetokenizeOptions): string {
    this.#assertUsable();
    return this.pair.detokenize(tokens, options);
  }

  /** {@link Pair.detokenizeAsync} */
  async detokenizeAsync(
    tokens: readonly number[] | Int32Array | Uint32Array,
    options?: DetokenizeOptions,
  ): Promise<string> {
    this.#assertUsable();
    return await this.pair.detokenizeAsync(tokens, options);
  }

  /** The session's state and its totals. Throws ERR_DISPOSED after `dispose`. */
  stats(): SessionStats {
    this.#assertUsable();
    return this.#native.stats();
  }

  /** Ends a running stage (it rejects with ERR_DISPOSED) and frees the session's place. Idempotent; waits for the work. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#native.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #stream(
    options: NativeDecodeOptions,
    { signal, writer }: Pick<DecodeOptions, "signal" | "writer">,
    site: CallSite,
  ): DecodeStream {
    const number = this.#numberOf(writer);
    let change = 0;
    return makeDecodeStream(
      {
        writer: writer ?? this.#writer,
        begin: () => {
          this.#assertUsable();
          const stream = this.#native.decode(number === undefined ? options : { ...options, writer: number });
          this.#writer = writer ?? this.#writer;
          change = ++this.#changes;
          return stream;
        },
        abort: () => {
          if (change === this.#changes) this.#native.abort();
        },
        retract: async (tokens) => {
          if (change === this.#changes) await this.#native.retract(tokens);
        },
        isDisposed: () => this.disposed,
        ended: (end, nRead) => publishDecode(this.#origin, end, nRead),
        withLogProbs: options.logProbs >= 0,
      },
      signal,
      site,
    );
  }

  /** As the binding takes it. Refuses an unknown one. */
  #numberOf(writer: string | undefined): number | undefined {
    return writer === undefined ? undefined : writerNumber(this.pair.info.writers, writer);
  }

  #assertUsable(): void {
    if (this.pair.disposed) throw createError("ERR_DISPOSED", "the pair was disposed", {});
    if (this.#disposed) throw createError("ERR_DISPOSED", "the session was disposed", {});
  }
}
