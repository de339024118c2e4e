/** Values that several producers put in and one consumer takes out, in the order in which they came. */
export class Channel<Value> implements AsyncIterable<Value> {
  #values: Value[] = [];
  #wake: () => void = () => {};
  #end: { readonly error?: unknown } | undefined;

  push(value: Value): void {
    this.#values.push(value);
    this.#wake();
  }

  /** Ends it, behind what is in it already. Only the first end counts. */
  end(failure?: { readonly error: unknown }): void {
    this.#end ??= failure ?? {};
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Value, void> {
    for (;;) {
      const values = this.#values;
      this.#values = [];
      yield* values;
      if (this.#values.length > 0) continue;
      if (this.#end) break;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if ("error" in this.#end) throw this.#end.error;
  }
}
