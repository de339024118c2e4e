/** The process that serves: what it finds in its cache, and what becomes of one that does not start. */

import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { Fnv1a, verifyCache } from "../../lib/cli/rpc-server/cache-check.js";
import { isOwnListener } from "../../lib/remote/peer-user.js";
import { probe } from "../../lib/remote/probe.js";
import { withTempDir } from "../support/temp-dir.js";
import { deadPort, lend } from "./fixtures.js";

const { signal } = new AbortController();

/** As in ggml-rpc.cpp, in numbers as large as need be. */
function plainHash(bytes: Uint8Array): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, "0");
}

const someBytes = (seed: string) => createHash("shake256", { outputLength: 4001 }).update(seed).digest();

/** A file as the server keeps it. */
function keep(folder: string, bytes: Uint8Array): string {
  const file = join(folder, plainHash(bytes));
  writeFileSync(file, bytes);
  return file;
}

test("the hash is FNV-1a of 64 bits, whatever the pieces", (t) => {
  const known = new Fnv1a();
  known.add(Buffer.from("foobar"));
  t.is(known.hex, "85944171f73967e8");
  t.is(new Fnv1a().hex, "cbf29ce484222325");
  for (let i = 0; i < 20; i++) {
    const bytes = someBytes(`${i}`);
    const hash = new Fnv1a();
    hash.add(bytes.subarray(0, i * 100));
    hash.add(bytes.subarray(i * 100));
    t.is(hash.hex, plainHash(bytes));
  }
});

test("a file that was cut or changed is removed, the others stay, and what is no tensor is left alone", async (t) => {
  const folder = withTempDir(t);
  const [whole, cut, changed, empty] = ["a", "b", "c", "d"].map((seed) => keep(folder, someBytes(seed))) as [
    string,
    string,
    string,
    string,
  ];
  truncateSync(cut, 4000);
  const bytes = readFileSync(changed);
  bytes[7] = (bytes[7] ?? 0) ^ 1;
  writeFileSync(changed, bytes);
  truncateSync(empty, 0);
  const other = join(folder, "notes.txt");
  writeFileSync(other, "mine");
  t.is((await verifyCache(folder, signal)).length, 3);
  t.deepEqual([whole, cut, changed, empty, other].map(existsSync), [true, false, false, false, true]);
  t.deepEqual(await verifyCache(folder, signal), []);
});

test("what was found right is read again only where it has changed since", async (t) => {
  const folder = withTempDir(t);
  const file = keep(folder, someBytes("a"));
  await verifyCache(folder, signal);
  const note = join(folder, "overfill-verified.json");
  // One that the note says to be right, and is not, has been read by nobody.
  const wrong = join(folder, "0123456789abcdef");
  writeFileSync(wrong, "wrong");
  const { size, mtimeNs } = statSync(wrong, { bigint: true });
  const noted = JSON.parse(readFileSync(note, "utf8"));
  writeFileSync(note, JSON.stringify({ ...noted, "0123456789abcdef": `${size} ${mtimeNs}` }));
  t.deepEqual(await verifyCache(folder, signal), []);
  writeFileSync(wrong, "wrong again");
  t.is((await verifyCache(folder, signal)).length, 1);
  truncateSync(file, 10);
  t.is((await verifyCache(folder, signal)).length, 1);
  for (const damaged of ["", "{", "null", "7", '{"x":{}}']) {
    writeFileSync(note, damaged);
    const again = keep(folder, someBytes("a"));
    t.deepEqual(await verifyCache(folder, signal), [], damaged);
    t.true(existsSync(again));
  }
});

test("an abort ends the reading", async (t) => {
  const folder = withTempDir(t);
  keep(folder, someBytes("a"));
  const reason = new Error("enough");
  await t.throwsAsync(verifyCache(folder, AbortSignal.abort(reason)), { is: reason });
});

test("a cut file is gone before a server starts, and before the next one does", async (t) => {
  const cacheDirectory = withTempDir(t);
  const removed: string[] = [];
  const first = keep(cacheDirectory, someBytes("a"));
  truncateSync(first, 100);
  const settings = { onRemoved: (names: readonly string[]) => removed.push(...names) };
  const lent = await lend(t, { cacheDirectory, settings });
  t.false(existsSync(first));
  const second = keep(cacheDirectory, someBytes("b"));
  truncateSync(second, 100);
  const before = lent.backend.port;
  lent.crash();
  while (lent.backend.port === before) await new Promise(setImmediate);
  await lent.backend.port;
  t.false(existsSync(second));
  t.is(removed.length, 2);
});

test("a process that cannot be started again at first is tried again", async (t) => {
  let nStarts = 0;
  // The second start finds no program.
  const execPath = () => (++nStarts === 2 ? "/nowhere/node" : process.execPath);
  const lent = await lend(t, { settings: { execPath } });
  const before = lent.backend.port;
  lent.crash();
  while (lent.backend.port === before) await new Promise(setImmediate);
  t.is(await probe({ host: "127.0.0.1", port: await lent.backend.port }, 20_000), 1);
  t.is(nStarts, 3);
});

test("a first start that fails is told", async (t) => {
  const lent = lend(t, { settings: { execPath: () => "/nowhere/node" } });
  await t.throwsAsync(lent, { code: "ERR_REMOTE_UNREACHABLE", message: /ENOENT/ });
});

(process.platform === "linux" ? test : test.skip)("a port is this user's where this user listens", async (t) => {
  const { backend } = await lend(t);
  t.true(isOwnListener(await backend.port));
  t.false(isOwnListener(await deadPort()));
});
