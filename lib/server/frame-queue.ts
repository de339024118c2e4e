/** Bytes on their way to a client, in order, of which no more than so many wait. */
export class FrameQueue implements AsyncIterable<Uint8Array> {
  readonly #most: number;
  readonly #signal: AbortSignal;
  #waiting: Uint8Array[] = [];
  #size = 0;
  #end: { readonly error?: unknown } | undefined;
  #wakeReader: () => void = () => {};
  #wakeWriter: () => void = () => {};

  /** @param signal ends the waiting for room */
  constructor(most: number, signal: AbortSignal) {
    this.#most = most;
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#wakeWriter(), { once: true });
  }

  /** Resolves when there is room for more. Rejects with `signal.reason`. */
  async push(...parts: readonly Uint8Array[]): Promise<void> {
    for (const part of parts) {
      this.#waiting.push(part);
      this.#size += part.byteLength;
    }
    this.#wakeReader();
    while (this.#size > this.#most) {
      this.#signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve;
      });
    }
    this.#signal.throwIfAborted();
  }

  /** Behind what is in it already. */
  end(failure?: { readonly error: unknown }): void {
    this.#end ??= failure ?? {};
    this.#wakeReader();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array, void> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next) {
        this.#size -= next.byteLength;
        this.#wakeWriter();
        yield next;
        continue;
      }
      if (this.#end) break;
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
    if ("error" in this.#end) throw this.#end.error;
  }
}
