/**
 * Responses that can be gone on with, in memory: of each key those that were used last, within a number and within bytes, so
 * that no key's requests have another's forgotten.
 */

import { ApiError } from "./api-error.js";
import type { ChatBody } from "./request-schemas.js";

export interface StoredResponse {
  /** The response as it was told. */
  readonly body: Readonly<Record<string, unknown>>;
  /** The conversation with it, without instructions, which are those of one request only. */
  readonly messages: ChatBody["messages"];
}

interface Kept extends StoredResponse {
  readonly bytes: number;
}

/** What one key's responses may take. */
export interface StoredLimits {
  readonly storedResponses: number;
  readonly storedBytes: number;
}

/** As it would be written; what conversations have in common counts in each. */
const bytesOf = (response: StoredResponse) => Buffer.byteLength(JSON.stringify(response));

export class ResponseStore {
  readonly #limits: StoredLimits;
  /** By their keys; of each, the longest unused first. */
  readonly #byKey = new Map<string | undefined, { readonly responses: Map<string, Kept>; bytes: number }>();

  constructor(limits: StoredLimits) {
    this.#limits = limits;
  }

  keep(id: string, { body, messages }: StoredResponse, cacheKey: string | undefined): void {
    const own = this.#byKey.get(cacheKey) ?? { responses: new Map<string, Kept>(), bytes: 0 };
    this.#byKey.set(cacheKey, own);
    const bytes = bytesOf({ body, messages });
    own.responses.set(id, { body, messages, bytes });
    own.bytes += bytes;
    const { storedResponses, storedBytes } = this.#limits;
    for (const oldest of own.responses.keys()) {
      if (own.responses.size <= storedResponses && own.bytes <= storedBytes) break;
      this.delete(oldest, cacheKey);
    }
  }

  /** Throws a 404: also for another key's, which must not learn that it is there. */
  get(id: string, cacheKey: string | undefined, param?: string): StoredResponse {
    const responses = this.#byKey.get(cacheKey)?.responses;
    const found = responses?.get(id);
    if (!responses || !found)
      throw new ApiError(404, `there is no response ${JSON.stringify(id)}`, {
        ...{ type: "not_found_error", code: "response_not_found", param },
      });
    responses.delete(id);
    responses.set(id, found);
    return found;
  }

  delete(id: string, cacheKey: string | undefined): void {
    const own = this.#byKey.get(cacheKey);
    const found = own?.responses.get(id);
    if (!own || !found) return;
    own.responses.delete(id);
    own.bytes -= found.bytes;
  }
}
