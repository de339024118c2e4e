/** An answer of a chat: an async iterable of its parts, and a promise of the whole. */

import { createError } from "../errors/create-error.js";
import type { ChatAnswer, ChatPart } from "./answer.js";

/** Runs an answer: tells its parts, and returns the whole. */
export type AnswerWork<Output> = (emit: (part: ChatPart) => void, signal: AbortSignal) => Promise<ChatAnswer<Output>>;

/** Begins an answer; for {@link Chat.send} only. */
export let makeChatStream: <Output>(work: AnswerWork<Output>, signal: AbortSignal | undefined) => ChatStream<Output>;

/**
 * The answer that {@link Chat.send} gives. The work begins at once, whether or not anybody reads. Iterate it once with `for
 * await`; leaving the loop early stops the work. An abort ends the iteration with the signal's reason.
 */
export class ChatStream<Output = unknown> implements AsyncIterable<ChatPart> {
  /**
   * The whole answer; it takes nothing from the iteration. After an abort it is what was written until then, with the finish
   * reason `abort`. Rejects with what stopped the answer otherwise.
   */
  readonly finished: Promise<ChatAnswer<Output>>;
  readonly #controller = new AbortController();
  #parts: ChatPart[] = [];
  #wake: () => void = () => {};
  #done = false;
  #failure: { readonly error: unknown } | undefined;
  #consumed = false;

  private constructor(work: AnswerWork<Output>, signal: AbortSignal | undefined) {
    const forward = () => this.#controller.abort(signal?.reason);
    if (signal?.aborted) forward();
    signal?.addEventListener("abort", forward, { once: true });
    this.finished = work((part) => this.#add(part), this.#controller.signal);
    this.finished.then(
      () => this.#end(),
      (error: unknown) => this.#end({ error }),
    );
    this.finished.catch(() => {}).finally(() => signal?.removeEventListener("abort", forward));
  }

  static {
    makeChatStream = (work, signal) => new this(work, signal);
  }

  /** Stops the answer. The chat keeps what was written. */
  abort(reason?: unknown): void {
    if (!this.#done) this.#controller.abort(reason);
  }

  /** Starts the iteration. Throws ERR_STREAM_CONSUMED the second time. */
  async *[Symbol.asyncIterator](): AsyncIterator<ChatPart, void> {
    if (this.#consumed) throw createError("ERR_STREAM_CONSUMED", "an answer can be read only once", {});
    this.#consumed = true;
    try {
      while (true) {
        const parts = this.#parts;
        this.#parts = [];
        yield* parts;
        if (this.#parts.length > 0) continue;
        if (this.#done) break;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      if (this.#failure) throw this.#failure.error;
      this.#controller.signal.throwIfAborted();
    } finally {
      if (!this.#done) this.#controller.abort();
    }
  }

  #add(part: ChatPart): void {
    this.#parts.push(part);
    this.#wake();
  }

  #end(failure?: { readonly error: unknown }): void {
    this.#done = true;
    this.#failure = failure;
    this.#wake();
  }
}
