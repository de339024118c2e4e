/** One answer as an async iterable of chunks: read once, stopped by leaving the loop, ended by a result. */

import { setImmediate as immediate } from "node:timers/promises";
import { createError } from "../errors/create-error.js";
import type { NativeDecodeResult, NativeReading, NativeStream } from "../internal/binding-types.js";
import type { DecodeChunk } from "./options.js";
import { type DecodeResult, perSecond } from "./results.js";

/** What a stream needs of its session. */
export interface StreamSource {
  /** Begins the answer. Throws if the session cannot. */
  begin(): NativeStream;
  abort(): void;
  retract(tokens: number): Promise<void>;
  isDisposed(): boolean;
  /** Whether each chunk tells its tokens' log-probabilities. */
  readonly withLogProbs: boolean;
}

/**
 * The answer that {@link Session.decode} gives. Iterate it once with `for await`; leaving the loop early stops the native
 * work and takes back what was generated but not delivered, so that the session stands where the reader stopped.
 * Generation starts with the first read.
 */
export class DecodeStream implements AsyncIterable<DecodeChunk, DecodeResult> {
  readonly #source: StreamSource;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  readonly #settled: PromiseWithResolvers<DecodeResult>;
  #native: NativeStream | undefined;
  #yieldedAt = performance.now();
  #turn: Promise<unknown> = Promise.resolve();
  #consumed = false;
  #delivered = 0;
  #ended: DecodeResult | undefined;

  /** @internal Made by {@link Session.decode}. */
  constructor(source: StreamSource, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#signal = signal;
    this.#onAbort = () => source.abort();
    this.#settled = withResolvers();
    // Whoever awaits `result` sees its rejection; nobody has to.
    this.#settled.promise.catch(() => {});
  }

  /**
   * How the answer ended. Reading it runs an answer that nobody iterates, without its chunks. An abort resolves it with
   * the reason `abort`; an error rejects it.
   */
  get result(): Promise<DecodeResult> {
    if (!this.#consumed) this.#drain();
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
        if (this.#native && !this.#ended) this.#source.abort();
        return { done: true, value: await this.#inTurn(() => this.#leave()) };
      },
    };
  }

  /** One read at a time, in the order asked for, also for a reader that does not await. */
  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }

  #drain(): void {
    const iterator = this[Symbol.asyncIterator]();
    const pull = async () => {
      while (!(await iterator.next()).done);
    };
    // The failure is in `result` already.
    pull().catch(() => {});
  }

  async #next(): Promise<IteratorResult<DecodeChunk, DecodeResult>> {
    if (this.#ended) return { done: true, value: this.#ended };
    try {
      while (true) {
        const reading = await this.#read();
        if (reading.result?.reason === "abort") {
          // What came with the end has just been taken back: it is not shown.
          await this.#stopped(reading);
          return { done: true, value: this.#ended ?? nothing };
        }
        if (reading.result) this.#end(toResult(reading.result, reading.result.tokens));
        if (reading.tokens.length > 0 || reading.text !== "") {
          this.#delivered += reading.tokens.length;
          return { done: false, value: toChunk(reading, this.#source.withLogProbs) };
        }
        if (this.#ended) return { done: true, value: this.#ended };
      }
    } catch (error) {
      if (!this.#ended) this.#fail(error);
      throw error;
    }
  }

  async #read(): Promise<NativeReading> {
    if (!this.#native) {
      this.#signal?.throwIfAborted();
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

  /** The answer was cut short from outside: by the signal, or because the session went away. */
  async #stopped(reading: NativeReading): Promise<void> {
    if (this.#source.isDisposed()) throw createError("ERR_DISPOSED", "the session was disposed during the answer", {});
    await this.#takeBack(reading.result);
    this.#signal?.throwIfAborted();
  }

  /** The reader leaves the loop. */
  async #leave(): Promise<DecodeResult> {
    if (this.#ended) return this.#ended;
    try {
      if (!this.#native) return this.#end(nothing);
      this.#source.abort();
      let reading = await this.#native.read();
      while (!reading.result) reading = await this.#native.read();
      if (this.#source.isDisposed())
        return this.#end(toResult({ ...reading.result, reason: "abort" }, this.#delivered));
      return await this.#takeBack(reading.result);
    } catch (error) {
      if (!this.#ended) this.#fail(error);
      throw error;
    }
  }

  async #takeBack(result: NativeDecodeResult | undefined): Promise<DecodeResult> {
    if (!result) return this.#end(nothing);
    if (result.tokens > this.#delivered) await this.#source.retract(result.tokens - this.#delivered);
    return this.#end(toResult({ ...result, reason: "abort" }, this.#delivered));
  }

  #end(result: DecodeResult): DecodeResult {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#ended ??= result;
    this.#settled.resolve(this.#ended);
    return this.#ended;
  }

  #fail(error: unknown): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    if (this.#signal?.aborted && error === this.#signal.reason) this.#settled.resolve(nothing);
    else this.#settled.reject(error);
    this.#ended = nothing;
  }
}

/** How long a stream may answer from what is ready before the event loop gets a turn, in milliseconds. */
const longestTurnMs = 10;

const nothing: DecodeResult = {
  reason: "abort",
  tokens: 0,
  decodeSteps: 0,
  refreshes: 0,
  refreshedTokens: 0,
  seed: 0,
  ms: 0,
  refreshMs: 0,
  tokensPerSecond: 0,
};

function toResult(native: NativeDecodeResult, tokens: number): DecodeResult {
  return {
    reason: native.reason,
    ...(native.stop === "" ? {} : { stop: native.stop }),
    tokens,
    decodeSteps: native.decodeSteps,
    refreshes: native.refreshes,
    refreshedTokens: native.refreshedTokens,
    seed: native.seed,
    ms: native.ms,
    refreshMs: native.refreshMs,
    tokensPerSecond: perSecond(native.decodeSteps, native.ms - native.refreshMs),
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

/** `Promise.withResolvers`, which Node 20 has not. */
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
