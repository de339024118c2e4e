/** A prefill model and a decode model loaded together, checked as compatible, on a thread of their own. */

import { createError } from "../errors/index.js";
import type { NativePair } from "../internal/binding-types.js";
import type { PairInfo } from "./results.js";
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
