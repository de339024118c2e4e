/** A request on its way: who asked what, and what is told of it when it has ended. */

import { setMaxListeners } from "node:events";
import type { ChatUsage } from "../chat/index.js";
import { ApiError, clientClosed } from "./api-error.js";
import type { Caller } from "./guard.js";
import { isGivenUp } from "./model-loading.js";
import type { Lease, LoadedModel, ModelStore, NamedModel } from "./model-store.js";
import type { ResponseStore, StoredLimits } from "./response-store.js";

/** Limits with their defaults. */
export interface Limits extends StoredLimits {
  readonly bodyBytes: number;
  readonly bodyMs: number;
  readonly requestMs: number | undefined;
  readonly slowReaderMs: number;
  readonly maxChoices: number;
}

export interface ExchangeParts {
  readonly request: Request;
  readonly requestId: string;
  readonly store: ModelStore;
  readonly responses: ResponseStore;
  readonly limits: Limits;
  readonly caller: Caller;
  readonly onEnd: (exchange: Exchange, status: number, error: unknown) => void;
}

const tooLong = () => new ApiError(504, "the request took too long", { type: "server_error", code: "request_timeout" });

/** What every endpoint works with. It ends once: with the answer, or with the end of the answer's stream. */
export class Exchange {
  readonly request: Request;
  readonly requestId: string;
  readonly limits: Limits;
  readonly caller: Caller;
  readonly store: ModelStore;
  readonly responses: ResponseStore;
  readonly begun = performance.now();
  body: unknown;
  model: string | undefined;
  usage: ChatUsage | undefined;
  readonly #controller = new AbortController();
  readonly #onEnd: ExchangeParts["onEnd"];
  #lease: Lease | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor({ request, requestId, store, responses, limits, caller, onEnd }: ExchangeParts) {
    this.request = request;
    this.requestId = requestId;
    this.limits = limits;
    this.caller = caller;
    this.store = store;
    this.responses = responses;
    this.#onEnd = onEnd;
    // Each of several answers listens.
    setMaxListeners(0, this.signal);
    if (request.signal.aborted) this.leave(request.signal.reason);
    request.signal.addEventListener("abort", this.#forward, { once: true });
    if (limits.requestMs !== undefined) this.#timer = setTimeout(() => this.abort(tooLong()), limits.requestMs).unref();
  }

  /** Fires when nobody waits for the answer any more. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  readonly #forward = () => this.leave(this.request.signal.reason);

  /** The client has gone. */
  leave(cause: unknown): void {
    this.abort(clientClosed(cause));
  }

  /** Stops what runs. The reason is what the answer says, if anybody reads it. */
  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** The model, for as long as the exchange takes. */
  async take({ name }: NamedModel): Promise<LoadedModel> {
    this.model = name;
    this.#lease = await this.store.lease(name, this.signal);
    if (this.#ended) this.#lease.release();
    return this.#lease.model;
  }

  /** All is written, and nothing more is asked of the model: a slow reader does not keep it from others. */
  giveBackModel(): void {
    this.#lease?.release();
  }

  end(status: number, error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.request.signal.removeEventListener("abort", this.#forward);
    if (this.#lease && isGivenUp(this.#lease.model.pair)) this.#lease.discard();
    this.#lease?.release();
    this.#onEnd(this, status, error);
  }
}
