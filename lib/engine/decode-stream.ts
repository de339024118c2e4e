/** One answer as an async iterable of chunks: read once, stopped by leaving the loop, ended by a result. */

import { setImmediate as immediate } from "node:timers/promises";
import { createError } from "../errors/create-error.js";
import type { NativeDecodeResult, NativeReading, NativeStream } from "../internal/binding-types.js";
import { type CallSite, placedAt } from "../internal/caller-stack.js";
import type { StageEnd } from "./diagnostics.js";
import type { DecodeChunk } from "./options.js";
import { type DecodeResult, perSecond } from "./results.js";

/** What a stream needs of its session. */
export interface StreamSource {
  /** Begins the answer. Throws if the session cannot. */
  begin(): NativeStream;
  abort(): void;
  retract(tokens: number): Promise<void>;
  isDisposed(): boolean;
  /** Told once, when an answer that was begun has ended. `nRead`: tokens that were read of it. */
  ended(end: StageEnd<DecodeResult>, nRead: number): void;
  /** Whether each chunk has its tokens' log-probabilities. */
  readonly withLogProbs: boolean;
  /** The name of the model that is to write. */
  readonly writer: string;
}

/** Makes a stream; for {@link Session} only. */
export let makeDecodeStream: (source: StreamSource, signal: AbortSignal | undefined, site: CallSite) => DecodeStream;

/**
 * The answer that {@link Session.decode} gives. Iterate it once with `for await`; leaving the loop early stops the native
 * work and takes back what was generated but not delivered, so that the session stands where the reader stopped.
 * Generation starts with the first read, or when {@link DecodeStream.result} is asked for.
 */
export class DecodeStream implements AsyncIterable<DecodeChunk, DecodeResult> {
  readonly #source: StreamSource;
  readonly #signal: AbortSignal | undefined;
  readonly #site: CallSite;
  readonly #onAbort: () => void;
  readonly #settled: PromiseWithResolvers<DecodeResult>;
  #native: NativeStream | undefined;
  #begunAt: number | undefined;
  #yieldedAt = performance.now();
  #turn: Promise<unknown> = Promise.resolve();
  #consumed = false;
  #driven = false;
  #leaving = false;
  /** Chunks that were read for `result` and that no reader has got yet. */
  #waiting: DecodeChunk[] = [];
  /** Tokens of all chunks that were read. */
  #taken = 0;
  #ended: DecodeResult | undefined;
  /** A failure that no reader has seen yet. */
  #failure: { readonly error: unknown } | undefined;

  private constructor(source: StreamSource, signal: AbortSignal | undefined, site: CallSite) {
    this.#source = source;
    this.#signal = signal;
    this.#site = site;
    this.#onAbort = () => source.abort();
    this.#settled = withResolvers();
    // Whoever awaits `result` sees its rejection; nobody has to.
    this.#settled.promise.catch(() => {});
  }

  static {
    // By `this`: a class that names itself within gets another name where the package is bundled.
    makeDecodeStream = (source, signal, site) => new this(source, signal, site);
  }

  /**
   * How the answer ended. Asking for it runs the answer, whether or not anybody iterates; what was read so is kept for a
   * reader, who may begin before or after. Once a reader has begun, the answer goes on as it is read. An abort, or leaving
   * the loop, resolves it with the reason `abort`; an error rejects it. An answer that has ended is left whole by a reader
   * who leaves.
   */
  get result(): Promise<DecodeResult> {
    if (!this.#driven) {
      this.#driven = true;
      this.#drive(this.#consumed);
    }
    return this.#settled.promise;
  }

  /**
   * Starts the iteration. Throws ERR_STREAM_CONSUMED the second time. Iteration throws ERR_STAGE_ORDER, ERR_SESSION_BUSY,
   * ERR_DISPOSED, ERR_GRAMMAR_INVALID (also in the middle of an answer, where the grammar turns out too ambiguous) or
   * ERR_INFERENCE_FAILED (the logits are NaN or infinite, or no token is allowed), or `signal.reason`.
   */
  [Symbol.asyncIterator](): AsyncIterator<DecodeChunk, DecodeResult> {
    if (this.#consumed) throw createError("ERR_STREAM_CONSUMED", "an answer can be read only once", {});
    this.#consumed = true;
    return {
      next: () => this.#inTurn(() => this.#next()),
      return: async () => {
        this.#leaving = true;
        if (this.#native && !this.#ended) this.#source.abort();
        return { done: true, value: await this.#inTurn(() => this.#leave()) };
      },
    };
  }

  /** The end of an answer that was not begun. */
  get #nothing(): DecodeResult {
    return { ...nothing, writer: this.#source.writer };
  }

  /** One read at a time, in the order asked for, also for a reader that does not await. */
  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }

  /**
   * Reads on for `result`. A reader who comes takes over, so that a slow one holds the model back; one who asks for the
   * result in the midst of reading may be waiting for it, and gets the answer read to its end.
   */
  #drive(besideReader: boolean): void {
    const pull = async () => {
      const goesOn = () => !this.#ended && !this.#leaving && (besideReader || !this.#consumed);
      while (goesOn())
        await this.#inTurn(async () => {
          if (!goesOn()) return;
          const chunk = await this.#pull();
          if (chunk) this.#waiting.push(chunk);
        });
    };
    pull().catch((error: unknown) => {
      this.#failure = { error };
    });
  }

  async #next(): Promise<IteratorResult<DecodeChunk, DecodeResult>> {
    const value = this.#waiting.shift() ?? (await this.#pull());
    if (value) return { done: false, value };
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure.error;
    return { done: true, value: this.#ended ?? this.#nothing };
  }

  /** The next chunk; undefined at the end. */
  async #pull(): Promise<DecodeChunk | undefined> {
    if (this.#ended) return undefined;
    try {
      while (true) {
        const reading = await this.#read();
        if (reading.result?.reason === "abort") {
          // What came with the end has just been taken back: it is not shown.
          await this.#stopped(reading);
          return undefined;
        }
        this.#taken += reading.tokens.length;
        if (reading.result) this.#end(toResult(reading.result, reading.result.tokens));
        if (reading.tokens.length > 0 || reading.text !== "") return toChunk(reading, this.#source.withLogProbs);
        if (this.#ended) return undefined;
      }
    } catch (error) {
      throw this.#failed(error);
    }
  }

  async #read(): Promise<NativeReading> {
    if (!this.#native) {
      this.#signal?.throwIfAborted();
      this.#begunAt = performance.now();
      this.#native = this.#source.begin();
      this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
    }
    // A reader slower than the model always finds something ready, and awaiting that alone would never let timers and
    // signals in.
    if (performance.now() - this.#yieldedAt > longestTurnMs) {
      await immediate();
      this.#yieldedAt = performance.now();
    }
    const reading = this.#native.read();
    if (!(reading instanceof Promise)) return reading;
    const waited = await reading;
    this.#yieldedAt = performance.now();
    return waited;
  }

  /** The answer was cut short: by the signal, because the session went away, or by a reader who leaves. */
  async #stopped(reading: NativeReading): Promise<void> {
    if (this.#source.isDisposed()) throw createError("ERR_DISPOSED", "the session was disposed during the answer", {});
    await this.#takeBack(reading.result);
    this.#signal?.throwIfAborted();
  }

  /** The reader leaves the loop. */
  async #leave(): Promise<DecodeResult> {
    if (this.#ended) {
      this.#waiting = [];
      return this.#ended;
    }
    try {
      if (!this.#native) return this.#end(this.#nothing);
      this.#source.abort();
      let reading = await this.#native.read();
      while (!reading.result) reading = await this.#native.read();
      if (this.#source.isDisposed())
        return this.#end(toResult({ ...reading.result, reason: "abort" }, this.#delivered()));
      return await this.#takeBack(reading.result);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** Tokens that the session is left with: all that were read, but for a reader who leaves only those that were delivered. */
  #delivered(): number {
    if (!this.#leaving) return this.#taken;
    return this.#taken - this.#waiting.reduce((sum, { tokens }) => sum + tokens.length, 0);
  }

  async #takeBack(result: NativeDecodeResult | undefined): Promise<DecodeResult> {
    if (!result) return this.#end(this.#nothing);
    const delivered = this.#delivered();
    if (this.#leaving) this.#waiting = [];
    if (result.tokens > delivered) await this.#source.retract(result.tokens - delivered);
    return this.#end(toResult({ ...result, reason: "abort" }, delivered));
  }

  #end(result: DecodeResult): DecodeResult {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    if (!this.#ended) {
      this.#ended = result;
      this.#tell({ result });
    }
    this.#settled.resolve(this.#ended);
    return this.#ended;
  }

  #tell(how: { readonly result: DecodeResult } | { readonly error: unknown }): void {
    if (this.#begunAt === undefined) return;
    const ms = performance.now() - this.#begunAt;
    this.#source.ended("result" in how ? { ...how, ms } : { ...how, ms, signal: this.#signal }, this.#taken);
  }

  /** The error as it is thrown: with the stack of the call that began the answer. */
  #failed(error: unknown): unknown {
    placedAt(this.#site, error);
    if (this.#ended) return error;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    if (this.#signal?.aborted && error === this.#signal.reason) this.#settled.resolve(this.#nothing);
    else this.#settled.reject(error);
    this.#ended = this.#nothing;
    this.#tell({ error });
    return error;
  }
}

/** How long a stream may answer from what is ready before the event loop gets a turn, in milliseconds. */
const longestTurnMs = 10;

const nothing = {
  reason: "abort",
  tokens: 0,
  decodeSteps: 0,
  refreshes: 0,
  refreshedTokens: 0,
  seed: 0,
  ms: 0,
  refreshMs: 0,
  refreshShare: 0,
  tokensPerSecond: 0,
} as const satisfies Omit<DecodeResult, "writer">;

function toResult(native: NativeDecodeResult, tokens: number): DecodeResult {
  return {
    reason: native.reason,
    ...(native.stop === "" ? {} : { stop: native.stop }),
    writer: native.writer,
    tokens,
    decodeSteps: native.decodeSteps,
    refreshes: native.refreshes,
    refreshedTokens: native.refreshedTokens,
    seed: native.seed,
    ms: native.ms,
    refreshMs: native.refreshMs,
    refreshShare: native.refreshMs === 0 ? 0 : native.refreshMs / (native.ms - native.refreshMs),
    ...(native.verification ? { verification: native.verification } : {}),
    tokensPerSecond: perSecond(native.verification ? tokens : native.decodeSteps, native.ms - native.refreshMs),
  };
}

function toChunk(reading: NativeReading, withLogProbs: boolean): DecodeChunk {
  const chunk = { text: reading.text, tokens: Array.from(reading.tokens) };
  if (!withLogProbs) return chunk;
  // A chunk may have text without a token of its own: what a stop string held back.
  const pairs = (reading.logProbs ?? []).map((row) =>
    Array.from({ length: row.length / 2 }, (_, i) => ({ token: row[2 * i] ?? 0, logProb: row[2 * i + 1] ?? 0 })),
  );
  return {
    ...chunk,
    logProbs: pairs.map(([own, ...top]) => ({ token: own?.token ?? 0, logProb: own?.logProb ?? 0, top })),
  };
}

/** `Promise.withResolvers`, which Node 20 lacks. */
function withResolvers<Value>(): PromiseWithResolvers<Value> {
  let resolve: (value: Value) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<Value>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}

interface PromiseWithResolvers<Value> {
  readonly promise: Promise<Value>;
  readonly resolve: (value: Value) => void;
  readonly reject: (error: unknown) => void;
}
