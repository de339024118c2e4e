/** Failures as OpenAI's clients know them: a status and a body `{ error: { message, type, param, code } }`. */

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
