/** What a client is told of each error of the package. A code that is missing from the list here is one that nobody has decided about. */

import { readFileSync } from "node:fs";
import test from "ava";
import { createNativeError } from "../../lib/errors/create-error.js";
import { errorTable } from "../../lib/errors/error-table.js";
import { OverfillError, type OverfillErrorCode } from "../../lib/index.js";
import { ApiError } from "../../lib/server/api-error.js";
import { toApiError, toLoadError } from "../../lib/server/error-statuses.js";

type Told = readonly [status: number, code: string | undefined, retryAfter?: number];

/** This server's own fault: the client learns the code, and no more. */
const own = "own";

const expected: Readonly<Record<OverfillErrorCode, Told | typeof own>> = {
  ERR_INVALID_ARGUMENT: [400, "invalid_value"],
  ERR_CONTEXT_OVERFLOW: [400, "context_length_exceeded"],
  ERR_DISPOSED: [503, "stopping", 1],
  ERR_MODEL_NOT_FOUND: own,
  ERR_MODEL_NOT_A_FILE: own,
  ERR_MODEL_INVALID: own,
  ERR_MODEL_UNSUPPORTED: [400, "invalid_value"],
  ERR_MODEL_LOAD_FAILED: own,
  ERR_ADAPTER_MISMATCH: own,
  ERR_PAIR_INCOMPATIBLE: own,
  ERR_HANDOVER_UNAVAILABLE: own,
  ERR_PAIR_FOLDER_INVALID: own,
  ERR_PAIR_FOLDER_BUSY: own,
  ERR_TRANSLATOR_INVALID: own,
  ERR_TRANSLATOR_MISMATCH: own,
  ERR_PRUNE_UNSUPPORTED: own,
  ERR_ALREADY_PRUNED: own,
  ERR_IMPORTANCE_INVALID: own,
  ERR_IMPORTANCE_MISMATCH: own,
  ERR_TARGET_UNREACHABLE: own,
  ERR_TRAINING_DIVERGED: own,
  ERR_CHECKPOINT_INVALID: own,
  ERR_OPERATION_UNSUPPORTED: own,
  ERR_FILE_READ_FAILED: own,
  ERR_FILE_WRITE_FAILED: own,
  ERR_DATA_INVALID: own,
  ERR_SAVED_SESSION_INVALID: own,
  ERR_SAVED_SESSION_MISMATCH: own,
  ERR_STAGE_ORDER: own,
  ERR_SESSION_BUSY: own,
  ERR_STREAM_CONSUMED: own,
  ERR_QUEUE_FULL: [503, "queue_full", 1],
  ERR_QUEUE_TIMEOUT: [503, "queue_timeout", 1],
  ERR_GRAMMAR_INVALID: [400, "invalid_value"],
  ERR_SCHEMA_UNSUPPORTED: [400, "invalid_value"],
  ERR_SCHEMA_MISMATCH: [422, undefined],
  ERR_INFERENCE_FAILED: own,
  ERR_OUT_OF_MEMORY: [503, "out_of_memory", 1],
  ERR_INTERNAL: own,
  ERR_HOST_CRASHED: [503, "host_crashed", 1],
  ERR_HOST_CRASH_LOOP: [503, "host_crash_loop", 1],
  ERR_HOST_ASYNC_ONLY: own,
  ERR_REMOTE_UNREACHABLE: [503, "remote_unreachable", 1],
  ERR_REMOTE_TIMEOUT: [504, "remote_timeout", 1],
  ERR_REMOTE_INCOMPATIBLE: [502, "remote_incompatible"],
  ERR_REMOTE_REFUSED: [502, "remote_refused"],
  ERR_REMOTE_KEY_INVALID: own,
  ERR_REMOTE_NEEDS_HOST: own,
  ERR_REMOTE_LOST: [503, "remote_lost", 1],
  ERR_REMOTE_MISMATCH: [502, "remote_mismatch"],
  ERR_REMOTE_FAILED: [502, "remote_failed"],
  ERR_REMOTE_ANSWER_INVALID: [502, "remote_answer_invalid", 1],
  ERR_REMOTE_UNSUPPORTED: [400, "unsupported_parameter"],
  ERR_PLATFORM_UNSUPPORTED: own,
  ERR_PLATFORM_PACKAGE_MISSING: own,
  ERR_BINDING_MISSING: own,
  ERR_BINDING_LOAD_FAILED: own,
  ERR_LLAMA_VERSION_MISMATCH: own,
  ERR_LIBRARY_CONFLICT: own,
  ERR_GPU_UNAVAILABLE: own,
};

const codes = Object.values(errorTable).flatMap((codesOfClass) => Object.keys(codesOfClass)) as OverfillErrorCode[];

const toldOf = ({ status, facts }: ApiError): Told =>
  facts.retryAfter === undefined ? [status, facts.code] : [status, facts.code, facts.retryAfter];

const failed = (code: OverfillErrorCode, details: Record<string, string | number> = {}) =>
  createNativeError(code, "it says /home/me/full.gguf and http://10.0.0.1", details) as OverfillError;

test("of every code it is decided what a client is told", (t) => {
  t.deepEqual(Object.keys(expected).sort(), [...codes].sort());
  for (const code of codes) {
    const error = failed(code);
    const told = toApiError(error);
    const decided = expected[code];
    t.deepEqual(toldOf(told), decided === own ? [500, code] : decided, code);
    t.deepEqual(Object.keys(told.body.error).slice(0, 4), ["message", "type", "param", "code"], code);
    // The log is told it all.
    if (told.status >= 500) t.is(told.cause, error, code);
  }
});

test("what this server or another machine is at fault for says nothing of paths and addresses", (t) => {
  const shown = ["ERR_QUEUE_FULL", "ERR_QUEUE_TIMEOUT", "ERR_OUT_OF_MEMORY"];
  for (const code of codes.filter((one) => !shown.includes(one))) {
    const told = toApiError(failed(code));
    if (told.status >= 500) t.notRegex(told.message, /home|10\.0/, code);
  }
});

test("details and causes tell apart what has one code", (t) => {
  for (const status of [429, 503, 504])
    t.deepEqual(toldOf(toApiError(failed("ERR_REMOTE_FAILED", { status }))), [503, "remote_failed", 1]);
  for (const status of [400, 404, 500, 502])
    t.deepEqual(toldOf(toApiError(failed("ERR_REMOTE_FAILED", { status }))), [502, "remote_failed"]);
  const asked = toApiError(failed("ERR_REMOTE_UNSUPPORTED", { feature: "quality" }));
  t.deepEqual([asked.status, asked.facts.param], [400, "quality"]);
  for (const feature of ["memory", "decode"])
    t.deepEqual(toldOf(toApiError(failed("ERR_REMOTE_UNSUPPORTED", { feature }))), [502, "remote_unsupported"]);
  const lost = { ...failed("ERR_REMOTE_LOST").toJSON() };
  const crash = OverfillError.fromJSON({ ...failed("ERR_HOST_CRASHED").toJSON(), cause: lost });
  t.deepEqual(toldOf(toApiError(crash)), [503, "remote_lost", 1]);
});

test("a code that this version does not know, and what is no error of the package, are the server's fault", (t) => {
  const newer = Object.assign(Object.create(failed("ERR_DISPOSED")) as OverfillError, { code: "ERR_OF_TOMORROW" });
  t.deepEqual(toldOf(toApiError(newer)), [500, "ERR_OF_TOMORROW"]);
  t.deepEqual(toldOf(toApiError(new Error("at /home/me"))), [500, "internal_error"]);
  const same = new ApiError(418, "as it is", { type: "t" });
  t.is(toApiError(same), same);
});

test("an option that the model is loaded with is not the request's", (t) => {
  const load = toLoadError(failed("ERR_INVALID_ARGUMENT", { parameter: "options.prefill.split" }));
  t.deepEqual(toldOf(toApiError(load)), [500, "ERR_INVALID_ARGUMENT"]);
  const other = failed("ERR_REMOTE_UNREACHABLE");
  t.is(toLoadError(other), other);
});

test("the page on the server has every status and code", (t) => {
  const page = readFileSync(new URL("../../docs/server.md", import.meta.url), "utf8");
  const rows = page.split("\n").filter((line) => /^\| \d{3} /.test(line));
  for (const [code, told] of Object.entries(expected)) {
    if (told === own || told[1] === undefined || ["invalid_value", "unsupported_parameter"].includes(told[1])) continue;
    const [status, name, retryAfter] = told;
    const row = rows.find((line) => line.includes(`\`${name}\``) && line.startsWith(`| ${status} `));
    t.truthy(row, `${code}: ${status} ${name}`);
    t.is(row?.includes("| yes |"), retryAfter !== undefined, `${code}: Retry-After`);
  }
});
