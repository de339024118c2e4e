/** Errors that leave the realm, the thread or the process that they were made in, and come back whole. */

import { fork } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createContext, runInContext } from "node:vm";
import { Worker } from "node:worker_threads";
import test, { type ExecutionContext } from "ava";
import { createError } from "../../lib/errors/create-error.js";
import { FileError, InvalidArgumentError, ModelError, OverfillError } from "../../lib/errors/index.js";
import { withTempDir } from "../support/temp-dir.js";

const thrown = () =>
  createError("ERR_DATA_INVALID", "bad line", { path: "a.jsonl", line: 3 }, createError("ERR_DISPOSED", "gone", {}));

const built = new URL("../../dist/index.js", import.meta.url).href;

/** Made in another thread or process, of the built package. */
const made = `
  import { DisposedError, FileError, OverfillError } from ${JSON.stringify(built)};
  const error = new FileError("ERR_DATA_INVALID", "bad line", { path: "a.jsonl", line: 3 }, new DisposedError("ERR_DISPOSED", "gone"));
`;

function isWhole(t: ExecutionContext, error: unknown): void {
  if (!FileError.isInstance(error)) {
    t.fail(`not an error of the class: ${String(error)}`);
    return;
  }
  t.false(ModelError.isInstance(error));
  t.is(error.code, "ERR_DATA_INVALID");
  t.is(error.message, "bad line");
  t.deepEqual(error.details, { path: "a.jsonl", line: 3 });
  t.is(error.name, "FileError");
}

function isRestored(t: ExecutionContext, json: unknown): void {
  const error = OverfillError.fromJSON(json);
  isWhole(t, error);
  t.true(error instanceof FileError);
  t.true(OverfillError.isInstance(error.cause) && error.cause.code === "ERR_DISPOSED");
}

function script(t: ExecutionContext, text: string): string {
  const path = join(withTempDir(t), "script.mjs");
  writeFileSync(path, made + text);
  return path;
}

test("JSON keeps class, code, details, stack and cause", (t) => {
  const error = thrown();
  const json = JSON.parse(JSON.stringify(error));
  isRestored(t, json);
  t.is(OverfillError.fromJSON(json).stack, error.stack);
});

test("structuredClone keeps what toJSON gives, and an error's own message only", (t) => {
  isRestored(t, structuredClone(thrown().toJSON()));
  const clone: unknown = structuredClone(thrown());
  t.true(clone instanceof Error && clone.message === "bad line");
  t.false(OverfillError.isInstance(clone));
});

test("causes that are no errors, or none of this package, come as well as JSON has them", (t) => {
  const round = (cause: unknown) =>
    OverfillError.fromJSON(JSON.parse(JSON.stringify(createError("ERR_INTERNAL", "x", {}, cause)))).cause;
  const system = round(Object.assign(new RangeError("deep", { cause: new Error("deeper") }), { code: "ENOENT" }));
  t.like(system, { name: "RangeError", message: "deep", code: "ENOENT" });
  t.like((system as Error).cause, { name: "Error", message: "deeper" });
  t.deepEqual(round({ a: [1] }), { a: [1] });
  t.is(round("why"), "why");
  t.is(round(5n), "5");
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  t.is(round(circle), "[object Object]");
});

test("fromJSON refuses what is no error, and keeps a code that it does not know", (t) => {
  for (const value of [null, undefined, 5, "x", {}, { message: "x" }, []])
    t.true(InvalidArgumentError.isInstance(t.throws(() => OverfillError.fromJSON(value))), String(value));
  const future = OverfillError.fromJSON({ name: "FutureError", message: "x", code: "ERR_FUTURE", details: { a: 1 } });
  t.like(future, { code: "ERR_INTERNAL", details: { a: 1, code: "ERR_FUTURE" } });
});

test("an error is known in another realm, and one of another realm here", (t) => {
  const context = createContext({ OverfillError, error: thrown() });
  t.true(runInContext("OverfillError.isInstance(error)", context));
  t.false(runInContext("OverfillError.isInstance(new Error('x'))", context));
  const foreign: unknown = runInContext(
    `const foreign = new Error("bad line");
     Object.assign(foreign, { name: "FileError", code: "ERR_DATA_INVALID", details: { path: "a.jsonl", line: 3 } })`,
    context,
  );
  t.false(foreign instanceof Error);
  isWhole(t, foreign);
});

test("an error that ends a worker is known outside of it", async (t) => {
  const worker = new Worker(script(t, "throw error;"));
  const [error] = await once(worker, "error");
  isWhole(t, error);
  isRestored(t, error);
});

test("a worker posts an error as plain data", async (t) => {
  const worker = new Worker(
    script(t, 'const { parentPort } = await import("node:worker_threads"); parentPort.postMessage(error.toJSON());'),
  );
  const [json] = await once(worker, "message");
  isRestored(t, json);
});

for (const serialization of ["json", "advanced"] as const)
  test(`a child process sends an error over IPC (${serialization})`, async (t) => {
    const send = serialization === "json" ? "error" : "error.toJSON()";
    const child = fork(script(t, `process.send(${send}, () => process.disconnect());`), {
      serialization,
      execArgv: [],
    });
    const [json] = await once(child, "message");
    isRestored(t, json);
  });
