/** Failures as OpenAI's clients know them: a status and a body `{ error: { message, type, param, code } }`. */

import { OverfillError, type OverfillErrorCode } from "../errors/index.js";

/** What an error tells beside its message. */
export interface ErrorFacts {
  readonly type: string;
  /** The parameter of the body that is meant, as its path. */
  readonly param?: string | undefined;
  readonly code?: string | undefined;
  /** Seconds after which trying again makes sense. */
  readonly retryAfter?: number | undefined;
  /** llama.cpp's own fields. */
  readonly more?: Readonly<Record<string, unknown>> | undefined;
}

/** A failure that is the client's to know. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    message: string,
    readonly facts: ErrorFacts,
    cause?: unknown,
  ) {
    super(message, { cause });
  }

  /** What stands in the answer's body, and in a stream's event. */
  get body() {
    const { type, param = null, code = null, more } = this.facts;
    return { error: { message: this.message, type, param, code, ...more } };
  }

  get headers(): Record<string, string> {
    const { retryAfter } = this.facts;
    return retryAfter === undefined ? {} : { "retry-after": String(retryAfter) };
  }
}

/** The body cannot be served as it is. */
export const badRequest = (message: string, param: string | undefined, code = "invalid_value") =>
  new ApiError(400, message, { type: "invalid_request_error", param, code });

/** The body asks for what this server does not do. */
export const unsupported = (param: string, message = `'${param}' is not supported by this server`) =>
  badRequest(message, param, "unsupported_parameter");

export const overloaded = (message: string, code: string, cause?: unknown) =>
  new ApiError(503, message, { type: "overloaded_error", code, retryAfter: 1 }, cause);

/** A client that has gone reads no answer; the number is nginx's. */
export const clientClosed = (cause?: unknown) =>
  new ApiError(499, "the client closed the request", { type: "invalid_request_error", code: "client_closed" }, cause);

const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Where the API's words for an option are not the option's with underscores. */
const otherNames: Readonly<Record<string, string>> = { log_probs: "logprobs", tool_choice: "tool_choice" };

/** A parameter of the library, such as `options.topK`, as the body has it. */
function paramOf(parameter: string | undefined): string | undefined {
  const [first, ...rest] = (parameter ?? "").split(".").filter((key) => key !== "options");
  if (first === undefined || first === "") return undefined;
  return [otherNames[snake(first)] ?? snake(first), ...rest].join(".");
}

const withoutParameter = (error: OverfillError, parameter: string | undefined, param: string | undefined) =>
  parameter === undefined || param === undefined ? error.message : error.message.replace(parameter, param);

interface Details {
  readonly path?: string;
  readonly parameter?: string;
  readonly feature?: string;
  readonly promptTokens?: number;
  readonly contextTokens?: number;
  readonly contextSize?: number;
}

/** Statuses of codes that tell of no fault of this server's. */
const toClient: Partial<Record<OverfillErrorCode, (error: OverfillError, details: Details) => ApiError>> = {
  ERR_INVALID_ARGUMENT: (error, { parameter }) => {
    const param = paramOf(parameter);
    return badRequest(withoutParameter(error, parameter, param), param);
  },
  ERR_CONTEXT_OVERFLOW: (error, { promptTokens = 0, contextTokens = 0, contextSize = 0 }) =>
    new ApiError(400, error.message, {
      type: "exceed_context_size_error",
      code: "context_length_exceeded",
      param: "messages",
      more: { n_prompt_tokens: promptTokens + contextTokens, n_ctx: contextSize },
    }),
  ERR_QUEUE_FULL: (error) => overloaded(error.message, "queue_full", error),
  ERR_QUEUE_TIMEOUT: (error) => overloaded(error.message, "queue_timeout", error),
  ERR_DISPOSED: (error) => overloaded("the server or its model is being stopped", "stopping", error),
  // What the process said last is not the client's to know.
  ERR_HOST_CRASHED: (error) => overloaded("the model's process crashed; it is started again", "host_crashed", error),
  ERR_HOST_CRASH_LOOP: (error) => overloaded("the model's process crashed too often", "host_crash_loop", error),
  // Nor where the machine is that the model lies on, or why it did not answer.
  ERR_REMOTE_UNREACHABLE: (error) => overloaded("a server of the model cannot be reached", "remote_unreachable", error),
  ERR_REMOTE_TIMEOUT: (error) => overloaded("a server of the model does not answer", "remote_timeout", error),
  ERR_REMOTE_REFUSED: (error) => overloaded("a server of the model refuses to serve", "remote_refused", error),
  ERR_REMOTE_LOST: (error) => overloaded("a server of the model went away", "remote_lost", error),
  ERR_REMOTE_FAILED: (error) => overloaded("a server of the model is busy or failed", "remote_failed", error),
  ERR_REMOTE_UNSUPPORTED: (error, { feature }) => badRequest(error.message, feature, "unsupported_parameter"),
  ERR_OUT_OF_MEMORY: (error) => overloaded(error.message, "out_of_memory", error),
  ERR_GRAMMAR_INVALID: (error) => badRequest(error.message, "grammar"),
  ERR_SCHEMA_UNSUPPORTED: (error) => badRequest(error.message, "response_format"),
  ERR_SCHEMA_MISMATCH: (error) =>
    new ApiError(422, "the answer does not keep to the schema", { type: "invalid_request_error" }, error),
  // Where the files lie is not the client's to know.
  ERR_MODEL_UNSUPPORTED: (error, { path }) =>
    badRequest(path === undefined ? error.message : error.message.replaceAll(path, "the model"), "model"),
};

/**
 * The failure with the parameter by its name in another endpoint's bodies.
 *
 * @param names what stands for a parameter and for all within it
 */
export function renamed(error: ApiError, names: Readonly<Record<string, string>>): ApiError {
  const [first = ""] = (error.facts.param ?? "").split(".");
  const param = names[first];
  return param === undefined
    ? error
    : new ApiError(error.status, error.message, { ...error.facts, param }, error.cause);
}

/** Any failure as the client is told of it. What is this server's own fault says no more than its code. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (OverfillError.isInstance(error)) {
    const told = toClient[error.code]?.(error, error.details as Details);
    if (told) return told;
    return new ApiError(500, `the model failed (${error.code})`, { type: "server_error", code: error.code }, error);
  }
  return new ApiError(500, "the server failed", { type: "server_error", code: "internal_error" }, error);
}
