/** Downloads from a server that answers as the Hub does, with all that can happen on the way. */

import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type DownloadCode, DownloadFault } from "../../../lib/cli/hub/faults.js";
import { lock } from "../../../lib/cli/hub/lock.js";
import { checkFreeBytes, type PullOptions, type PullResult, pull } from "../../../lib/cli/hub/pull.js";
import { mulberry32 } from "../../support/random.js";
import { withTempDir } from "../../support/temp-dir.js";
import { commit, FakeHub, type FakeRepository, secret, sha256 } from "./fake-hub.js";

const segmentBytes = 10_000;
const model = (seed: number, size = 95_000): Buffer => {
  const random = mulberry32(seed);
  const bytes = Buffer.from(Array.from({ length: size }, () => Math.floor(random() * 256)));
  return Buffer.concat([Buffer.from("GGUF"), bytes]);
};
const [fine, coarse] = [model(1), model(2, 45_000)];
const files = { "README.md": Buffer.from("# Tiny"), "tiny-Q8_0.gguf": fine, "tiny-q4_0.gguf": coarse };
const repository = "org/tiny-GGUF";

interface Place {
  readonly hub: FakeHub;
  readonly cacheFolder: string;
  readonly folder: string;
  pull(
    options?: Partial<Omit<PullOptions, "rules">> & { readonly rules?: Partial<PullOptions["rules"]> },
  ): Promise<PullResult>;
}

async function place(t: ExecutionContext, about: Partial<FakeRepository> = {}): Promise<Place> {
  const hub = await FakeHub.start({ [repository]: { files, ...about } });
  t.teardown(() => hub[Symbol.asyncDispose]());
  const cacheFolder = withTempDir(t);
  return {
    hub,
    cacheFolder,
    folder: join(cacheFolder, "models--org--tiny-GGUF"),
    pull: ({ rules, ...options } = {}) =>
      pull({
        source: { kind: "repository", repository, revision: "main" },
        quantisations: ["q8_0"],
        cacheFolder,
        segmentBytes,
        ...options,
        rules: hub.rules(rules),
      }),
  };
}

const blobs = (folder: string): string[] => readdirSync(join(folder, "blobs")).sort();

const fails = async (t: ExecutionContext, work: Promise<unknown>, code: DownloadCode): Promise<string> => {
  const error = await t.throwsAsync(work, { instanceOf: DownloadFault });
  t.is((error as DownloadFault).code, code, error?.message);
  return String(error?.message);
};

test("a file comes in several parts and lies as Hugging Face's tools have it", async (t) => {
  const { pull, hub, folder } = await place(t);
  const progress: number[] = [];
  const result = await pull({ onProgress: ({ doneBytes, totalBytes }) => progress.push(doneBytes / totalBytes) });
  t.is(result.commit, commit);
  const [one] = result.models;
  t.like(one, { quantisation: "Q8_0", sizeBytes: fine.length });
  t.is(one?.path, join(folder, "snapshots", commit, "tiny-Q8_0.gguf"));
  t.deepEqual(readFileSync(String(one?.path)), fine);
  if (process.platform !== "win32") t.is(readlinkSync(String(one?.path)), join("..", "..", "blobs", sha256(fine)));
  t.is(readFileSync(join(folder, "refs", "main"), "utf8"), commit);
  t.deepEqual(blobs(folder), [sha256(fine)]);
  t.is(hub.ranges.length, 10);
  t.is(new Set(hub.ranges).size, 10);
  t.is(progress.at(-1), 1);
});

test("what is there is not fetched again", async (t) => {
  const { pull, hub } = await place(t);
  await pull();
  const before = hub.ranges.length;
  const { models } = await pull();
  t.is(hub.ranges.length, before);
  t.is(models[0]?.files[0]?.downloadedBytes, 0);
});

test("several quantisations come in the order in which they were asked for", async (t) => {
  const { pull } = await place(t);
  const { models } = await pull({ quantisations: ["Q4_0", "Q8_0"] });
  t.deepEqual(
    models.map(({ quantisation }) => quantisation),
    ["Q4_0", "Q8_0"],
  );
  t.deepEqual(readFileSync(String(models[0]?.path)), coarse);
});

test("lines that are cut are taken up where they ended", async (t) => {
  const { pull, hub } = await place(t);
  hub.fault = ({ server, range }) =>
    server === "files" && /^bytes=\d0000-/.test(range ?? "") ? { cutAfter: 4000 } : undefined;
  const { models } = await pull();
  t.deepEqual(readFileSync(String(models[0]?.path)), fine);
  t.true(hub.ranges.includes("bytes=14000-19999"), hub.ranges.join());
});

test("a server that goes silent is asked again", async (t) => {
  const { pull, hub } = await place(t);
  let silent = 3;
  hub.fault = ({ server }) => (server === "files" && silent-- > 0 ? { silentAfter: 500 } : undefined);
  const { models } = await pull({ rules: { stallMs: 300, attempts: 1000 } });
  t.deepEqual(readFileSync(String(models[0]?.path)), fine);
});

test("what failed for good is gone on with by the next call", async (t) => {
  const { pull, hub, folder } = await place(t);
  hub.fault = ({ server, range }) =>
    server === "files" && /^bytes=[5-9]/.test(range ?? "") ? { status: 500 } : undefined;
  const message = await fails(t, pull({ connections: 1 }), "ERR_DOWNLOAD_FAILED");
  t.regex(message, /org\/tiny-GGUF: tiny-Q8_0\.gguf: 127\.0\.0\.1:\d+ answers 500/);
  t.deepEqual(readdirSync(folder), ["blobs"]);
  t.deepEqual(
    blobs(folder).map((name) => name.slice(64)),
    [".overfill-part", ".overfill-part.json"],
  );
  hub.fault = () => undefined;
  const before = hub.ranges.length;
  const { models } = await pull();
  t.deepEqual(readFileSync(String(models[0]?.path)), fine);
  t.is(models[0]?.files[0]?.downloadedBytes, fine.length - 50_000);
  t.is(hub.ranges.length - before, 5);
  t.deepEqual(blobs(folder), [sha256(fine)]);
});

test("an abort keeps what is there, and rejects with its reason", async (t) => {
  const { pull, hub, folder } = await place(t);
  const stop = new AbortController();
  const reason = new Error("enough");
  const onProgress = ({ doneBytes }: { readonly doneBytes: number }) => {
    if (doneBytes >= 30_000) stop.abort(reason);
  };
  t.is(await t.throwsAsync(pull({ onProgress, connections: 1, rules: { signal: stop.signal } })), reason);
  t.false(blobs(folder).some((name) => name.endsWith("lock")));
  const before = hub.ranges.length;
  await pull();
  t.true(hub.ranges.length - before < 8, hub.ranges.join());
});

test("an abort while a file is checked keeps it whole for the next time", async (t) => {
  const { pull, hub } = await place(t, { files: { "big-Q8_0.gguf": model(3, 3_000_000) } });
  const stop = new AbortController();
  const reason = new Error("enough");
  const onProgress = ({ stage }: { readonly stage: string }) => {
    if (stage === "checking") stop.abort(reason);
  };
  t.is(await t.throwsAsync(pull({ onProgress, segmentBytes: 2 ** 20, rules: { signal: stop.signal } })), reason);
  const before = hub.ranges.length;
  const { models } = await pull({ segmentBytes: 2 ** 20 });
  t.is(hub.ranges.length, before);
  t.is(models[0]?.sizeBytes, 3_000_004);
});

test("an abort ends the wait before the next try", async (t) => {
  const { pull, hub } = await place(t);
  hub.fault = () => ({ status: 503 });
  const stop = new AbortController();
  const reason = new Error("enough");
  const pause = (_: number, signal: AbortSignal) =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(new Error("aborted")));
      stop.abort(reason);
    });
  t.is(await t.throwsAsync(pull({ rules: { signal: stop.signal, pause } })), reason);
});

test("a server that knows no ranges gives the whole", async (t) => {
  const { pull, hub } = await place(t);
  hub.fault = ({ server }) => (server === "files" ? { ignoreRange: true } : undefined);
  const { models } = await pull();
  t.deepEqual(readFileSync(String(models[0]?.path)), fine);
});

test("the whole is begun again where its line is cut", async (t) => {
  const { pull, hub } = await place(t);
  let cuts = 2;
  hub.fault = ({ server, range }) => {
    if (server !== "files") return undefined;
    return range === undefined && cuts-- > 0 ? { ignoreRange: true, cutAfter: 30_000 } : { ignoreRange: true };
  };
  const { models } = await pull();
  t.deepEqual(readFileSync(String(models[0]?.path)), fine);
  t.true(cuts < 0);
});

test("a wrong checksum is refused, and nothing of the file stays", async (t) => {
  const { pull, hub, folder } = await place(t);
  const wrong = Buffer.from(fine);
  wrong[77_777] = Number(wrong[77_777]) ^ 1;
  hub.fault = ({ server }) => (server === "files" ? { body: wrong } : undefined);
  const message = await fails(t, pull(), "ERR_DOWNLOAD_CORRUPT");
  t.true(message.includes(sha256(fine)) && message.includes(sha256(wrong)), message);
  t.deepEqual(blobs(folder), []);
  hub.fault = () => undefined;
  t.deepEqual(readFileSync(String((await pull()).models[0]?.path)), fine);
});

test("another range than the one that was asked for is refused", async (t) => {
  const { pull, hub } = await place(t);
  hub.fault = ({ server }) => (server === "files" ? { contentRange: "bytes 1-10000/95004" } : undefined);
  t.regex(await fails(t, pull(), "ERR_DOWNLOAD_CORRUPT"), /the server gives bytes 1-10000/);
});

test("a note about a part that says too much is not believed", async (t) => {
  const { pull, folder } = await place(t);
  mkdirSync(join(folder, "blobs"), { recursive: true });
  const part = join(folder, "blobs", `${sha256(fine)}.overfill-part`);
  writeFileSync(part, Buffer.alloc(fine.length));
  const note = { version: 1, sizeBytes: fine.length, segmentBytes, tag: "", done: Array(10).fill(10_001) };
  writeFileSync(`${part}.json`, JSON.stringify(note));
  t.deepEqual(readFileSync(String((await pull()).models[0]?.path)), fine);
  // One that is plausible and wrong is found by the checksum.
  rmSync(folder, { recursive: true });
  mkdirSync(join(folder, "blobs"), { recursive: true });
  writeFileSync(part, Buffer.alloc(fine.length));
  writeFileSync(`${part}.json`, JSON.stringify({ ...note, done: [...Array(9).fill(10_000), 0] }));
  await fails(t, pull(), "ERR_DOWNLOAD_CORRUPT");
});

test("the token goes to the endpoint, and not to where it redirects", async (t) => {
  const { pull, hub } = await place(t, { access: "private" });
  t.regex(
    await fails(t, pull(), "ERR_DOWNLOAD_REFUSED"),
    /not there, or is private: give a token of yours by HF_TOKEN/,
  );
  hub.seen.length = 0;
  await pull({ rules: { token: secret } });
  for (const { server, authorization } of hub.seen)
    t.is(authorization, server === "hub" ? `Bearer ${secret}` : undefined);
  t.true(hub.seen.some(({ server }) => server === "files"));
});

test("a gated repository says what to do", async (t) => {
  const { pull } = await place(t, { access: "gated" });
  t.regex(await fails(t, pull(), "ERR_DOWNLOAD_REFUSED"), /is gated: accept its terms .* HF_TOKEN/);
  t.regex(await fails(t, pull({ rules: { token: "other" } }), "ERR_DOWNLOAD_REFUSED"), /is gated: .* is yours/);
  await t.notThrowsAsync(pull({ rules: { token: secret } }));
});

test("a repository, a revision and a file that are not there are told", async (t) => {
  const { pull } = await place(t);
  const other = { kind: "repository", repository: "org/none", revision: "main" } as const;
  await fails(t, pull({ source: other, rules: { token: secret } }), "ERR_DOWNLOAD_NOT_FOUND");
  const old = { kind: "repository", repository, revision: "v9" } as const;
  t.regex(await fails(t, pull({ source: old }), "ERR_DOWNLOAD_NOT_FOUND"), /org\/tiny-GGUF at v9 is not there/);
});

test("429 is waited for as long as the server says", async (t) => {
  const { pull, hub } = await place(t);
  let left = 2;
  hub.fault = () => (left-- > 0 ? { status: 429, headers: { "retry-after": "7" } } : undefined);
  const waits: number[] = [];
  const pause = (ms: number) => Promise.resolve(void waits.push(ms));
  await pull({ rules: { pause } });
  t.deepEqual(waits, [7000, 7000]);
});

test("a server that wants to be asked tomorrow is not waited for", async (t) => {
  const { pull, hub } = await place(t);
  hub.fault = () => ({ status: 429, headers: { "retry-after": "86400" } });
  t.regex(await fails(t, pull(), "ERR_DOWNLOAD_FAILED"), /answers 429; it asks to wait for 1440 minutes/);
});

test("a list of several pages is read to its end", async (t) => {
  const { pull, hub } = await place(t);
  hub.pageSize = 1;
  const { models } = await pull({ quantisations: ["q8_0", "q4_0"] });
  t.is(models.length, 2);
});

test("a list that is none is told", async (t) => {
  const { pull, hub } = await place(t);
  hub.fault = ({ url }) => (url.startsWith("/api") ? { body: Buffer.from("<html>") } : undefined);
  t.regex(await fails(t, pull(), "ERR_DOWNLOAD_FAILED"), /gives no list of files/);
});

test("paths that would leave the cache are not taken", async (t) => {
  const evil = { "../../evil-Q8_0.gguf": fine, "a/../../b-Q8_0.gguf": fine, "C:\\x-Q8_0.gguf": fine };
  const { pull } = await place(t, { files: { ...evil, "tiny-Q4_0.gguf": coarse } });
  await t.throwsAsync(pull(), { message: /has no q8_0/ });
});

test("all parts of a model come, and one that lacks a part is no model", async (t) => {
  const parts = { "q/big-Q8_0-00001-of-00002.gguf": fine, "q/big-Q8_0-00002-of-00002.gguf": coarse };
  const { pull } = await place(t, { files: { ...parts, "q/big-Q2_K-00001-of-00002.gguf": fine } });
  const { models } = await pull({ quantisations: [] });
  t.is(models[0]?.path.endsWith(join("q", "big-Q8_0-00001-of-00002.gguf")), true);
  t.is(models[0]?.files.length, 2);
  t.is(models[0]?.sizeBytes, fine.length + coarse.length);
  await t.throwsAsync(pull({ quantisations: ["Q2_K"] }), { message: /has no Q2_K/ });
});

test("two that want one file at the same time fetch it once", async (t) => {
  const { pull, hub } = await place(t);
  const stages: string[] = [];
  const [a, b] = await Promise.all([
    pull({ onProgress: ({ stage }) => stages.push(stage) }),
    pull({ onProgress: ({ stage }) => stages.push(stage) }),
  ]);
  t.deepEqual(a.models[0]?.path, b.models[0]?.path);
  t.is(hub.ranges.length, 10);
  t.true(stages.includes("waiting"));
});

test("the lock of a process that has ended is taken over", async (t) => {
  const path = join(withTempDir(t), "x.lock");
  // No system has so high a number.
  writeFileSync(path, JSON.stringify({ pid: 2 ** 30, host: hostname() }));
  const { signal } = new AbortController();
  await (await lock(path, { signal }))[Symbol.asyncDispose]();
  t.deepEqual(readdirSync(join(path, "..")), []);
});

test("a wait for a lock ends with an abort", async (t) => {
  const path = join(withTempDir(t), "x.lock");
  const stop = new AbortController();
  await using _held = await lock(path, { signal: stop.signal });
  const reason = new Error("enough");
  const waits = lock(path, { signal: stop.signal, onWait: () => stop.abort(reason) });
  t.is(await t.throwsAsync(waits), reason);
});

test("a disk without room is told before anything is fetched", async (t) => {
  const message = await fails(t, checkFreeBytes(withTempDir(t), 2 ** 60), "ERR_DOWNLOAD_NO_SPACE");
  t.regex(message, /1048576 TiB are to come, and .* has room for /);
});
