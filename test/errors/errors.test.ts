/** The error classes: a code finds its class, and `isInstance` works across copies of the package. */
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { inspect } from "node:util";
import test from "ava";
import { expectTypeOf } from "expect-type";
import { createError, createNativeError } from "../../lib/errors/create-error.js";
import * as errors from "../../lib/errors/index.js";
import type { OverfillErrorCode } from "../../lib/index.js";
import { withTempDir } from "../support/temp-dir.js";

/** Every code and its class. A code without a line here does not compile. */
const classes: Readonly<Record<OverfillErrorCode, errors.OverfillError["name"]>> = {
  ERR_INVALID_ARGUMENT: "InvalidArgumentError",
  ERR_CONTEXT_OVERFLOW: "ContextOverflowError",
  ERR_DISPOSED: "DisposedError",
  ERR_MODEL_NOT_FOUND: "ModelError",
  ERR_MODEL_NOT_A_FILE: "ModelError",
  ERR_MODEL_INVALID: "ModelError",
  ERR_MODEL_UNSUPPORTED: "ModelError",
  ERR_MODEL_LOAD_FAILED: "ModelError",
  ERR_ADAPTER_MISMATCH: "ModelError",
  ERR_PAIR_INCOMPATIBLE: "PairError",
  ERR_HANDOVER_UNAVAILABLE: "PairError",
  ERR_TRANSLATOR_INVALID: "TranslatorError",
  ERR_TRANSLATOR_MISMATCH: "TranslatorError",
  ERR_PRUNE_UNSUPPORTED: "PruneError",
  ERR_ALREADY_PRUNED: "PruneError",
  ERR_IMPORTANCE_INVALID: "PruneError",
  ERR_IMPORTANCE_MISMATCH: "PruneError",
  ERR_TRAINING_DIVERGED: "TrainingError",
  ERR_CHECKPOINT_INVALID: "TrainingError",
  ERR_OPERATION_UNSUPPORTED: "TrainingError",
  ERR_FILE_READ_FAILED: "FileError",
  ERR_FILE_WRITE_FAILED: "FileError",
  ERR_DATA_INVALID: "FileError",
  ERR_SAVED_SESSION_INVALID: "SavedSessionError",
  ERR_SAVED_SESSION_MISMATCH: "SavedSessionError",
  ERR_HOST_CRASHED: "HostError",
  ERR_HOST_CRASH_LOOP: "HostError",
  ERR_HOST_ASYNC_ONLY: "HostError",
  ERR_REMOTE_UNREACHABLE: "RemoteError",
  ERR_REMOTE_TIMEOUT: "RemoteError",
  ERR_REMOTE_INCOMPATIBLE: "RemoteError",
  ERR_REMOTE_REFUSED: "RemoteError",
  ERR_REMOTE_KEY_INVALID: "RemoteError",
  ERR_REMOTE_NEEDS_HOST: "RemoteError",
  ERR_REMOTE_LOST: "RemoteError",
  ERR_PAIR_FOLDER_INVALID: "PairError",
  ERR_PAIR_FOLDER_BUSY: "PairError",
  ERR_TARGET_UNREACHABLE: "PruneError",
  ERR_REMOTE_MISMATCH: "RemoteError",
  ERR_REMOTE_FAILED: "RemoteError",
  ERR_REMOTE_ANSWER_INVALID: "RemoteError",
  ERR_REMOTE_UNSUPPORTED: "RemoteError",
  ERR_STAGE_ORDER: "StageError",
  ERR_SESSION_BUSY: "StageError",
  ERR_STREAM_CONSUMED: "StageError",
  ERR_QUEUE_FULL: "QueueError",
  ERR_QUEUE_TIMEOUT: "QueueError",
  ERR_GRAMMAR_INVALID: "InferenceError",
  ERR_SCHEMA_UNSUPPORTED: "InferenceError",
  ERR_SCHEMA_MISMATCH: "InferenceError",
  ERR_INFERENCE_FAILED: "InferenceError",
  ERR_OUT_OF_MEMORY: "InferenceError",
  ERR_INTERNAL: "InferenceError",
  ERR_PLATFORM_UNSUPPORTED: "BindingError",
  ERR_PLATFORM_PACKAGE_MISSING: "BindingError",
  ERR_BINDING_MISSING: "BindingError",
  ERR_BINDING_LOAD_FAILED: "BindingError",
  ERR_LLAMA_VERSION_MISMATCH: "BindingError",
  ERR_LIBRARY_CONFLICT: "BindingError",
  ERR_GPU_UNAVAILABLE: "BindingError",
};

const classesWithCodes = {
  InvalidArgumentError: errors.InvalidArgumentError,
  ContextOverflowError: errors.ContextOverflowError,
  DisposedError: errors.DisposedError,
  ModelError: errors.ModelError,
  PairError: errors.PairError,
  TranslatorError: errors.TranslatorError,
  PruneError: errors.PruneError,
  TrainingError: errors.TrainingError,
  FileError: errors.FileError,
  SavedSessionError: errors.SavedSessionError,
  StageError: errors.StageError,
  QueueError: errors.QueueError,
  InferenceError: errors.InferenceError,
  HostError: errors.HostError,
  RemoteError: errors.RemoteError,
  BindingError: errors.BindingError,
};

for (const [code, name] of Object.entries(classes)) {
  test(`${code} comes as ${name}`, (t) => {
    const error = createNativeError(code, "what", { path: "a.gguf", line: 3 });
    t.true(error instanceof errors.OverfillError);
    t.true(error instanceof Error);
    t.like(error, { code, name, message: "what", details: { path: "a.gguf", line: 3 } });
    t.true(errors.OverfillError.isInstance(error));
    for (const [other, type] of Object.entries(classesWithCodes)) {
      t.is(type.isInstance(error), other === name, other);
      t.is(error instanceof type, other === name, other);
      t.is(type.name, other);
    }
  });
}

test("every class has a code", (t) => {
  t.deepEqual([...new Set(Object.values(classes))].sort(), Object.keys(classesWithCodes).sort());
});

test("an error keeps its cause; without details or cause it has empty details and no cause", (t) => {
  const cause = new Error("why");
  t.is(createError("ERR_INTERNAL", "what", {}, cause).cause, cause);
  const error = new errors.InferenceError("ERR_INTERNAL", "what");
  t.deepEqual(error.details, {});
  t.false("cause" in error);
});

test("an unknown code becomes ERR_INTERNAL and is kept in the details", (t) => {
  const error = createNativeError("ERR_FROM_THE_FUTURE", "what", { path: "a" });
  t.true(errors.InferenceError.isInstance(error));
  t.like(error, { code: "ERR_INTERNAL", details: { path: "a", code: "ERR_FROM_THE_FUTURE" } });
});

test("an aborted stage's error is none of the public ones", (t) => {
  const error = createNativeError("ERR_ABORTED", "aborted", {});
  t.is(error.code, "ERR_ABORTED");
  t.false(errors.OverfillError.isInstance(error));
});

test("isInstance refuses other errors and other values", (t) => {
  const lookalike = Object.assign(new Error("no"), { code: "ERR_INTERNAL", details: {} });
  const plain = { name: "InferenceError", code: "ERR_INTERNAL", details: {}, message: "no" };
  for (const value of [lookalike, plain, new Error("no"), {}, null, undefined, "ERR_INTERNAL", 1, () => {}])
    t.false(errors.OverfillError.isInstance(value), String(value));
});

test("isInstance accepts an error of another copy of the package", async (t) => {
  const copy = withTempDir(t);
  cpSync(fileURLToPath(new URL("../../dist", import.meta.url)), copy, { recursive: true });
  writeFileSync(join(copy, "package.json"), '{ "type": "module" }');
  const other = (await import(pathToFileURL(join(copy, "index.js")).href)) as typeof errors;
  const error: unknown = new other.ModelError("ERR_MODEL_NOT_FOUND", "what", { path: "a" });
  t.false(error instanceof errors.OverfillError);
  t.true(errors.OverfillError.isInstance(error));
  t.true(errors.ModelError.isInstance(error));
  t.false(errors.BindingError.isInstance(error));
});

test("a log shows the class, the code and the details, and no marks", (t) => {
  const text = inspect(new errors.ModelError("ERR_MODEL_NOT_FOUND", "no such file", { path: "a.gguf" }));
  t.regex(text, /^ModelError: no such file/);
  t.regex(text, /code: 'ERR_MODEL_NOT_FOUND'/);
  t.regex(text, /path: 'a\.gguf'/);
  t.notRegex(text, /Symbol/);
});

test("the code tells which details there are", (t) => {
  const read = (error: unknown): string | number | undefined => {
    if (!errors.OverfillError.isInstance(error)) return undefined;
    if (error.code === "ERR_QUEUE_FULL") {
      expectTypeOf(error.details.maxSessions).toBeNumber();
      return error.details.maxSessions;
    }
    // @ts-expect-error other codes have other details
    expectTypeOf(error.details.maxSessions).toBeNumber();
    return error.code === "ERR_MODEL_NOT_FOUND" ? error.details.path : undefined;
  };
  t.is(read(createError("ERR_QUEUE_FULL", "full", { maxSessions: 2, maxWaiting: 0 })), 2);
  t.is(read(createError("ERR_MODEL_NOT_FOUND", "none", { path: "a" })), "a");
  // @ts-expect-error a class takes its own codes only
  t.is(new errors.ModelError("ERR_DISPOSED", "x").code, "ERR_DISPOSED");
});
