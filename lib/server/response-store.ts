/** Responses that can be gone on with, in memory: of as many as is allowed, those that were used last. */

import { ApiError } from "./api-error.js";
import type { ChatBody } from "./request-schemas.js";

export interface StoredResponse {
  /** The response as it was told. */
  readonly body: Readonly<Record<string, unknown>>;
  /** The conversation with it, without instructions, which are those of one request only. */
  readonly messages: ChatBody["messages"];
  /** Whose it is. */
  readonly cacheKey: string | undefined;
}

export class ResponseStore {
  readonly #most: number;
  /** The longest unused first. */
  readonly #responses = new Map<string, StoredResponse>();

  constructor(most: number) {
    this.#most = most;
  }

  keep(id: string, response: StoredResponse): void {
    this.#responses.set(id, response);
    for (const oldest of this.#responses.keys()) {
      if (this.#responses.size <= this.#most) break;
      this.#responses.delete(oldest);
    }
  }

  /** Throws a 404: also for another key's, which must not learn that it is there. */
  get(id: string, cacheKey: string | undefined, param?: string): StoredResponse {
    const found = this.#responses.get(id);
    if (!found || found.cacheKey !== cacheKey)
      throw new ApiError(404, `there is no response ${JSON.stringify(id)}`, {
        ...{ type: "not_found_error", code: "response_not_found", param },
      });
    this.#responses.delete(id);
    this.#responses.set(id, found);
    return found;
  }

  delete(id: string): void {
    this.#responses.delete(id);
  }
}
