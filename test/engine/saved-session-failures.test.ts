/** Saved sessions that are no sessions, or not this pair's, and files that cannot be written: a code, and nothing lost. */

import { spawn } from "node:child_process";
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import test, { type ExecutionContext } from "ava";
import { loadPair, type Pair, SavedSessionError } from "../../lib/index.js";
import { mulberry32 } from "../support/random.js";
import { withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { narrower, quiet, readAnswer, refusal, someTokens, traced } from "./fixtures.js";

interface Fixture {
  readonly dir: string;
  readonly models: readonly [prefill: string, decode: string];
  readonly file: string;
  readonly pair: Pair;
}

/** A pair with a free place, and a session of its in a file. */
async function saved(t: ExecutionContext): Promise<Fixture> {
  const dir = withTempDir(t);
  const models = [
    (await writeTinyModel(join(dir, "prefill.gguf"), {})).path,
    (await writeTinyModel(join(dir, "decode.gguf"), narrower)).path,
  ] as const;
  const pair = await loadPair({
    ...{ ...quiet, contextSize: 2048, maxSessions: 2 },
    ...{ prefill: { model: models[0] }, decode: { model: models[1] } },
  });
  t.teardown(() => pair.dispose());
  const session = await pair.createSession();
  await session.prefill(someTokens(40));
  await session.switch();
  await readAnswer(session.decode(traced(5)));
  const file = join(dir, "session.ofs");
  await session.save(file);
  return { dir, models, file, pair };
}

test("what is no saved session is refused, and its place is free again", async (t) => {
  const { dir, models, file, pair } = await saved(t);
  const at = (name: string, bytes: string | Uint8Array) => {
    writeFileSync(join(dir, name), bytes);
    return join(dir, name);
  };
  const whole = readFileSync(file);
  mkdirSync(join(dir, "folder"));
  symlinkSync(join(dir, "nothing"), join(dir, "dangling"));
  symlinkSync(file, join(dir, "link"));
  const unreadable = [join(dir, "missing"), join(dir, "folder"), join(dir, "dangling"), "/dev/null"];
  for (const path of unreadable) await refusal(t, "ERR_FILE_READ_FAILED", pair.restore(path), path);
  const later = Buffer.from(whole);
  later.write("overfill session v2\n");
  const invalid: readonly (readonly [path: string, reason: RegExp])[] = [
    [at("empty", ""), /no saved session/],
    [at("text", "Dear diary"), /no saved session/],
    [models[0], /no saved session/],
    [at("short", whole.subarray(0, 40)), /ends within its header/],
    [at("cut", whole.subarray(0, whole.length - 1)), /not as long/],
    [at("later", later), /another version than 1/],
  ];
  for (const [path, reason] of invalid) {
    const error = await refusal(t, "ERR_SAVED_SESSION_INVALID", pair.restore(path), path);
    t.regex(error.details.reason, reason);
    t.is(error.details.path, path);
    t.true(SavedSessionError.isInstance(error));
  }
  await refusal(t, "ERR_SAVED_SESSION_INVALID", pair.restoreChat(file));
  await refusal(t, "ERR_INVALID_ARGUMENT", pair.restore("a\0b"));
  await refusal(t, "ERR_INVALID_ARGUMENT", pair.restore(file, { writer: "decode" } as never));
  t.is(pair.metrics().sessions, 1);
  await using twin = await pair.restore(join(dir, "link"));
  t.is(twin.stats().stage, "paused");
});

test("a link stays, and the file that it names is written", async (t) => {
  const { dir, file, pair } = await saved(t);
  await using session = await pair.restore(file);
  const link = join(dir, "link");
  symlinkSync(join(dir, "target"), link);
  await session.save(link);
  t.true(lstatSync(link).isSymbolicLink());
  t.true(lstatSync(join(dir, "target")).isFile());
  await session.dispose();
  await using twin = await pair.restore(link);
  t.is(twin.stats().stage, "paused");
});

test("a file with a damaged byte is refused wherever it is", async (t) => {
  const { dir, file, pair } = await saved(t);
  const whole = readFileSync(file);
  const random = mulberry32(1);
  const path = join(dir, "damaged");
  for (let i = 0; i < 150; i++) {
    const damaged = Buffer.from(whole);
    const at = i < 64 ? i : Math.floor(random() * whole.length);
    damaged[at] = (damaged[at] ?? 0) ^ (1 << Math.floor(random() * 8));
    writeFileSync(path, damaged);
    await refusal(t, "ERR_SAVED_SESSION_INVALID", pair.restore(path), `byte ${at}`);
  }
  t.is(pair.metrics().sessions, 1);
});

test("a place where no file can be written is refused, and the session goes on", async (t) => {
  const { dir, file, pair } = await saved(t);
  await using session = await pair.restore(file);
  mkdirSync(join(dir, "folder"));
  const closed = join(dir, "closed");
  mkdirSync(closed);
  chmodSync(closed, 0o500);
  const places = [join(dir, "missing", "file"), join(dir, "folder"), "/dev/full", join(file, "inside")];
  // Nothing is closed to the superuser.
  if (process.getuid?.() !== 0) places.push(join(closed, "file"));
  for (const path of places) await refusal(t, "ERR_FILE_WRITE_FAILED", session.save(path), path);
  t.deepEqual(
    readdirSync(dir).filter((name) => name.startsWith(".")),
    [],
  );
  t.is((await readAnswer(session.decode(traced(5)))).tokens.length, 5);
});

const child = join(import.meta.dirname, "children", "save-session.mjs");

test("on a full disk the file before stays, and the session goes on", async (t) => {
  const { dir, models, pair } = await saved(t);
  const file = join(dir, "growing.ofs");
  // The third does not fit: a session of 100 tokens takes 200 KiB.
  const size = readFileSync(join(dir, "session.ofs")).length;
  const limit = Math.floor(((size / 45) * 250) / 512);
  const script = `trap '' XFSZ; ulimit -f ${limit}; exec "$0" "$@"`;
  const started = spawn("sh", ["-c", script, process.execPath, child, ...models, file, "5"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.deepEqual((await text(started.stdout)).trim().split("\n").slice(-2), ["ERR_FILE_WRITE_FAILED", "went on true"]);
  await using session = await pair.restore(file);
  t.true(session.stats().contextTokens >= 100);
  t.deepEqual(
    readdirSync(dir).filter((name) => name.startsWith(".")),
    [],
  );
});

test("a process that is killed while it saves leaves the old file or the new one", async (t) => {
  const { dir, models, pair } = await saved(t);
  const random = mulberry32(3);
  for (let i = 0; i < 6; i++) {
    const file = join(dir, `killed-${i}.ofs`);
    const started = spawn(process.execPath, [child, ...models, file, "20"], { stdio: ["ignore", "pipe", "inherit"] });
    let said = 0;
    const ended = new Promise((resolve) => started.on("close", resolve));
    started.stdout.on("data", (data: Buffer) => {
      said = Number(String(data).trim().split(" ").at(-1));
      if (said >= 100 * (1 + i)) setTimeout(() => started.kill("SIGKILL"), random() * 20);
    });
    await ended;
    await using session = await pair.restore(file);
    const { contextTokens } = session.stats();
    t.true(contextTokens >= said, `${contextTokens} of ${said}`);
    t.is(contextTokens % 100, 0);
    await session.switch();
  }
});
