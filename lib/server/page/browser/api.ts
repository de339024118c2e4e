/** The two endpoints that the page uses, and what went wrong, in words for people. */

import { readEvents } from "./event-stream.js";

/** A request failed. `message` is for people. */
export class RequestFailure extends Error {
  override readonly name = "RequestFailure";
  /** Of the response; 0 where there was none. */
  readonly status: number;

  constructor(message: string, status: number, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

export interface Api {
  models(signal?: AbortSignal): Promise<unknown>;
  /** The chunks of a streamed answer. A failure that comes in the middle is thrown like one at the beginning. */
  answer(body: Readonly<Record<string, unknown>>, signal: AbortSignal): AsyncIterable<unknown>;
}

export interface ApiOptions {
  /** The address that `v1/...` is relative to. */
  readonly base: string;
  readonly key: () => string;
  /** @default the global one */
  readonly fetch?: typeof fetch;
}

interface ErrorFields {
  readonly message?: unknown;
  readonly code?: unknown;
  readonly param?: unknown;
}

function errorText(error: ErrorFields | string): string | undefined {
  if (typeof error === "string") return error;
  if (typeof error.message !== "string" || error.message === "") return undefined;
  const where = [error.code, error.param].filter((part) => typeof part === "string" && part !== "");
  return where.length === 0 ? error.message : `${error.message} (${where.join(", ")})`;
}

/** OpenAI's error body, or undefined where it is none. */
function readError(value: unknown): string | undefined {
  const error = (value as { readonly error?: ErrorFields | string | null } | null)?.error;
  return error === undefined || error === null ? undefined : errorText(error);
}

async function failureOf(response: Response): Promise<RequestFailure> {
  const text = await response.text().catch(() => "");
  let told: string | undefined;
  try {
    told = readError(JSON.parse(text));
  } catch {
    // Not JSON: a proxy's page, say, which helps nobody here.
  }
  const otherwise = `The server answered ${response.status}${response.statusText ? ` ${response.statusText}` : ""}.`;
  return new RequestFailure(told ?? otherwise, response.status);
}

const brokenOff = "The connection broke off before the answer was complete.";

function parseChunk(data: string): unknown {
  let chunk: unknown;
  try {
    chunk = JSON.parse(data);
  } catch (cause) {
    throw new RequestFailure("The server sent something that is no part of an answer.", 200, { cause });
  }
  const told = readError(chunk);
  if (told !== undefined) throw new RequestFailure(told, 200);
  return chunk;
}

export function createApi({ base, key, fetch: request = fetch }: ApiOptions): Api {
  async function call(path: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    if (key() !== "") headers.set("authorization", `Bearer ${key()}`);
    let response: Response;
    try {
      response = await request(new URL(path, base).href, { ...init, headers, credentials: "omit", redirect: "error" });
    } catch (cause) {
      if (init.signal?.aborted) throw init.signal.reason;
      throw new RequestFailure("The server cannot be reached. Is it still running?", 0, { cause });
    }
    if (!response.ok) throw await failureOf(response);
    return response;
  }

  return {
    async models(signal) {
      const response = await call("v1/models", signal === undefined ? {} : { signal });
      return response.json().catch((cause) => {
        throw new RequestFailure("The server's list of models cannot be read.", response.status, { cause });
      });
    },

    async *answer(body, signal) {
      const response = await call("v1/chat/completions", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
        signal,
      });
      if (response.body === null) throw new RequestFailure(brokenOff, response.status);
      try {
        for await (const data of readEvents(response.body)) {
          if (data === "[DONE]") return;
          yield parseChunk(data);
        }
      } catch (cause) {
        if (signal.aborted) throw signal.reason;
        throw cause instanceof RequestFailure ? cause : new RequestFailure(brokenOff, response.status, { cause });
      }
      throw new RequestFailure(brokenOff, response.status);
    },
  };
}
