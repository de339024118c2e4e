/**
 * What a client is told of each of the package's errors. The list is whole: a code that it lacks does not compile, so that
 * nobody is told of a new failure as if it were this server's own fault. docs/server.md has it in words.
 */

import { OverfillError, type OverfillErrorCode } from "../errors/index.js";
import { ApiError, badRequest, overloaded } from "./api-error.js";

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
  readonly status?: number;
  readonly promptTokens?: number;
  readonly contextTokens?: number;
  readonly contextSize?: number;
}

type Told = (error: OverfillError, details: Details) => ApiError;

/** A fault of this server, or of how it was set up: what happened stands in the log, and the client learns the code. */
const own: Told = (error) =>
  new ApiError(500, `the model failed (${error.code})`, { type: "server_error", code: error.code }, error);

/** What another machine did, and not where it is. @param retryAfter seconds; none where it would be no better then */
const elsewhere =
  (status: 502 | 504, message: string, code: string, retryAfter?: number): Told =>
  (error) =>
    new ApiError(status, message, { type: "server_error", code, retryAfter }, error);

const lost: Told = (error) => overloaded("a server of the model went away", "remote_lost", error);

/** What a server says that would take the question later. */
const isBusy = (status: number | undefined) => status === 429 || status === 503 || status === 504;

/** Of what a pair needs of its server to be a pair at all; of anything else, a request asked for it. */
const neededFeatures: readonly (string | undefined)[] = ["memory", "decode"];

const tellings: Readonly<Record<OverfillErrorCode, Told>> = {
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
  ERR_DISPOSED: (error) => overloaded("the server or its model is being stopped", "stopping", error),

  ERR_MODEL_NOT_FOUND: own,
  ERR_MODEL_NOT_A_FILE: own,
  ERR_MODEL_INVALID: own,
  // Where the files lie is not the client's to know.
  ERR_MODEL_UNSUPPORTED: (error, { path }) =>
    badRequest(path === undefined ? error.message : error.message.replaceAll(path, "the model"), "model"),
  ERR_MODEL_LOAD_FAILED: own,
  ERR_ADAPTER_MISMATCH: own,
  ERR_PAIR_INCOMPATIBLE: own,
  ERR_HANDOVER_UNAVAILABLE: own,
  ERR_PAIR_FOLDER_INVALID: own,
  ERR_PAIR_FOLDER_BUSY: own,
  ERR_TRANSLATOR_INVALID: own,
  ERR_TRANSLATOR_MISMATCH: own,

  // No request prunes or trains.
  ERR_PRUNE_UNSUPPORTED: own,
  ERR_ALREADY_PRUNED: own,
  ERR_IMPORTANCE_INVALID: own,
  ERR_IMPORTANCE_MISMATCH: own,
  ERR_TARGET_UNREACHABLE: own,
  ERR_TRAINING_DIVERGED: own,
  ERR_CHECKPOINT_INVALID: own,
  ERR_OPERATION_UNSUPPORTED: own,

  // Nor does one name a file.
  ERR_FILE_READ_FAILED: own,
  ERR_FILE_WRITE_FAILED: own,
  ERR_DATA_INVALID: own,
  ERR_SAVED_SESSION_INVALID: own,
  ERR_SAVED_SESSION_MISMATCH: own,

  ERR_STAGE_ORDER: own,
  ERR_SESSION_BUSY: own,
  ERR_STREAM_CONSUMED: own,
  ERR_QUEUE_FULL: (error) => overloaded(error.message, "queue_full", error),
  ERR_QUEUE_TIMEOUT: (error) => overloaded(error.message, "queue_timeout", error),

  ERR_GRAMMAR_INVALID: (error) => badRequest(error.message, "grammar"),
  ERR_SCHEMA_UNSUPPORTED: (error) => badRequest(error.message, "response_format"),
  ERR_SCHEMA_MISMATCH: (error) =>
    new ApiError(422, "the answer does not keep to the schema", { type: "invalid_request_error" }, error),
  ERR_INFERENCE_FAILED: own,
  ERR_OUT_OF_MEMORY: (error) => overloaded(error.message, "out_of_memory", error),
  ERR_INTERNAL: own,

  // What the process said last is not the client's to know. Where it ended because a server that lends its devices did, that is.
  ERR_HOST_CRASHED: (error, details) =>
    OverfillError.isInstance(error.cause) && error.cause.code === "ERR_REMOTE_LOST"
      ? lost(error, details)
      : overloaded("the model's process crashed; it is started again", "host_crashed", error),
  ERR_HOST_CRASH_LOOP: (error) => overloaded("the model's process crashed too often", "host_crash_loop", error),
  ERR_HOST_ASYNC_ONLY: own,

  // Nor where the machine is that the model lies on, or why it did not answer. What passes by itself is worth another try.
  ERR_REMOTE_UNREACHABLE: (error) => overloaded("a server of the model cannot be reached", "remote_unreachable", error),
  ERR_REMOTE_TIMEOUT: elsewhere(504, "a server of the model does not answer", "remote_timeout", 1),
  ERR_REMOTE_INCOMPATIBLE: elsewhere(502, "a server of the model is another than expected", "remote_incompatible"),
  ERR_REMOTE_REFUSED: elsewhere(502, "a server of the model refuses to serve", "remote_refused"),
  ERR_REMOTE_KEY_INVALID: own,
  ERR_REMOTE_NEEDS_HOST: own,
  ERR_REMOTE_LOST: lost,
  ERR_REMOTE_MISMATCH: elsewhere(502, "a server of the model has other models", "remote_mismatch"),
  ERR_REMOTE_FAILED: (error, details) =>
    isBusy(details.status)
      ? overloaded("a server of the model is busy", "remote_failed", error)
      : elsewhere(502, "a server of the model failed", "remote_failed")(error, details),
  ERR_REMOTE_ANSWER_INVALID: elsewhere(502, "what a server of the model sent was damaged", "remote_answer_invalid", 1),
  ERR_REMOTE_UNSUPPORTED: (error, details) =>
    neededFeatures.includes(details.feature)
      ? elsewhere(502, "a server of the model cannot read for it", "remote_unsupported")(error, details)
      : badRequest(error.message, details.feature, "unsupported_parameter"),

  ERR_PLATFORM_UNSUPPORTED: own,
  ERR_PLATFORM_PACKAGE_MISSING: own,
  ERR_BINDING_MISSING: own,
  ERR_BINDING_LOAD_FAILED: own,
  ERR_LLAMA_VERSION_MISMATCH: own,
  ERR_LIBRARY_CONFLICT: own,
  ERR_GPU_UNAVAILABLE: own,
};

/** Any failure as the client is told of it. What is this server's own fault says no more than its code. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (OverfillError.isInstance(error)) {
    // Another version of the package, in the same process, may have codes that this one does not know.
    const tell: Told | undefined = tellings[error.code];
    return (tell ?? own)(error, error.details as Details);
  }
  return new ApiError(500, "the server failed", { type: "server_error", code: "internal_error" }, error);
}

/** The failure of a load: what would be wrong with a request is wrong with how the model was set up. */
export function toLoadError(error: unknown): unknown {
  return OverfillError.isInstance(error) && error.code === "ERR_INVALID_ARGUMENT" ? own(error, {}) : error;
}
