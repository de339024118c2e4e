/** A question to a server: how long it may take, who may give it up, and what its end means. */

import { AbortedError, createError } from "../errors/create-error.js";
import { limitSilence, type SilenceLimit } from "../internal/silence-limit.js";
import { FrameFault } from "./cell-frames.js";

/** Ends what is asked when it is given up, and when nothing moves for too long; and knows why it ended. */
export class ExchangeWatch {
  answered = false;
  /** All of the answer has come: its connection may serve another. */
  isWhole = false;
  readonly #asked: AbortSignal;
  readonly #address: string;
  readonly #stallMs: number;
  readonly #controller = new AbortController();
  #limit: SilenceLimit | undefined;
  /** How long was waited, where that was too long. */
  #lateMs: number | undefined;
  readonly #leave = () => this.#controller.abort();

  constructor(asked: AbortSignal, stallMs: number, address: string) {
    this.#asked = asked;
    this.#stallMs = stallMs;
    this.#address = address;
    asked.addEventListener("abort", this.#leave, { once: true });
    if (asked.aborted) this.#leave();
    this.moved();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something came. */
  moved(): void {
    this.#wait(this.#stallMs);
  }

  /** The connection is being made, which has its own time. */
  connecting(socket: NodeJS.EventEmitter, timeoutMs: number): void {
    this.#wait(Math.min(timeoutMs, this.#stallMs));
    socket.once("connect", () => this.moved());
  }

  #wait(ms: number): void {
    this.#limit?.cancel();
    if (this.signal.aborted) return;
    this.#limit = limitSilence(ms, () => {
      this.#lateMs = ms;
      this.#controller.abort();
    });
  }

  end(): void {
    this.#limit?.cancel();
    this.#asked.removeEventListener("abort", this.#leave);
    if (!this.isWhole) this.#controller.abort();
  }

  /** What an exchange failed with, in the package's words. */
  reasonFor(error: unknown): unknown {
    const address = this.#address;
    if (this.#asked.aborted) return new AbortedError("the prefill was aborted");
    if (this.#lateMs !== undefined) {
      const message = `${address} sent nothing for ${this.#lateMs} ms`;
      return createError("ERR_REMOTE_TIMEOUT", message, { address, timeoutMs: this.#lateMs });
    }
    if (error instanceof FrameFault)
      return createError("ERR_REMOTE_ANSWER_INVALID", `what ${address} sent cannot be used: ${error.message}`, {
        ...{ address, reason: error.message },
      });
    const { code } = error as NodeJS.ErrnoException;
    if (code?.startsWith("ERR_REMOTE_") || code === "ERR_CONTEXT_OVERFLOW") return error;
    if (code?.startsWith("HPE_"))
      return createError("ERR_REMOTE_INCOMPATIBLE", `${address} does not speak HTTP`, { address }, error);
    if (this.answered)
      return createError("ERR_REMOTE_LOST", `${address} went away in the middle of its answer`, {}, error);
    const isCertificate = /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code ?? "");
    return isCertificate
      ? createError("ERR_REMOTE_REFUSED", `${address} cannot be trusted (${code})`, { address }, error)
      : createError("ERR_REMOTE_UNREACHABLE", `${address} cannot be reached (${code})`, { address }, error);
  }
}
