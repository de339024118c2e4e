/** What was read is on disk: other pairs of the same model take it over, and nobody else does. */

import { spawn } from "node:child_process";
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import test, { type ExecutionContext } from "ava";
import type { Pair, PrefillOptions, Prompt, SessionOptions } from "../../lib/index.js";
import { mulberry32 } from "../support/random.js";
import { withTempDir } from "../support/temp-dir.js";
import { type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";
import { runChild } from "./child-process.js";
import { openPair, type PairRecipe, readAnswer, refusal, someTokens, traced } from "./fixtures.js";

const small = { seed: 2, nEmbd: 32, nFf: 64 } as const;
const begun = someTokens(700);
const goingOn = (n: number, seed: number) => [...begun.slice(0, n), ...someTokens(50, seed)];

interface Place {
  readonly directory: string;
  readonly recipe: PairRecipe;
}

/** The models of a recipe, written once, and a folder that is not there yet. */
async function place(t: ExecutionContext, recipe: PairRecipe = {}): Promise<Place> {
  const dir = withTempDir(t);
  const written = async (name: string, model: TinyModelOptions) => (await writeTinyModel(join(dir, name), model)).path;
  const { prefill = {}, decode, ...others } = recipe;
  return {
    directory: join(dir, "prefixes", "here"),
    recipe: {
      contextSize: 2048,
      maxSessions: 2,
      batchSize: 1,
      ...others,
      prefill: typeof prefill === "string" ? prefill : await written("prefill.gguf", prefill),
      ...(typeof decode === "object" && { decode: await written("decode.gguf", decode) }),
    },
  };
}

const open = (t: ExecutionContext, { directory, recipe }: Place, more: PairRecipe = {}) =>
  openPair(t, { ...recipe, prefixCache: { directory }, ...more });

async function turn(pair: Pair, prompt: Prompt, options: PrefillOptions & SessionOptions = {}) {
  const { cacheKey, ...others } = options;
  await using session = await pair.createSession({ cacheKey });
  const { cachedTokens } = await session.prefill(prompt, others);
  await session.switch();
  return { cachedTokens, logProbs: (await readAnswer(session.decode(traced(4)))).logProbs };
}

const cached = async (pair: Pair, prompt: Prompt, options?: PrefillOptions & SessionOptions) =>
  (await turn(pair, prompt, options)).cachedTokens;

/** Reads the prompt in a pair that ends then. */
async function leave(t: ExecutionContext, where: Place, prompt: Prompt = begun, options: SessionOptions = {}) {
  const pair = await open(t, where);
  await turn(pair, prompt, options);
  await pair.dispose();
}

const filesOf = ({ directory }: Place) => readdirSync(directory).map((name) => join(directory, name));

const kinds: readonly (readonly [title: string, recipe: PairRecipe])[] = [
  ["a sharing pair", { decode: small }],
  ["a copying pair", { decode: small, handover: "translate" }],
  ["one model", {}],
  ["one model with V transposed", { flashAttention: false }],
  ["one model with a q8_0 cache", { cacheTypeK: "q8_0", cacheTypeV: "q8_0" }],
  ["one model with sliding layers", { prefill: { architecture: "gemma3", slidingWindow: { window: 16, pattern: 2 } } }],
  ["one model in a pool", { cacheTokens: 4096 }],
  ["mamba", { prefill: { architecture: "mamba" } }],
  ["lfm2", { prefill: { architecture: "lfm2" } }],
];

for (const [title, recipe] of kinds)
  test(`${title}: another pair takes over whole blocks of what one has read, and writes what it would have`, async (t) => {
    const where = await place(t, recipe);
    await leave(t, where);
    const reader = await open(t, where, { prefixCache: false });
    const pair = await open(t, where);
    t.is(pair.metrics().prefixCache.blocks, 0);
    const prompt = goingOn(650, 5);
    const { cachedTokens, logProbs } = await turn(pair, prompt);
    t.is(cachedTokens, 512);
    t.deepEqual(logProbs, (await turn(reader, prompt)).logProbs);
    t.like(pair.metrics().prefixCache.directory, { read: 2, written: 0, failures: 0 });
  });

test("a text of whole blocks is taken over up to its last token", async (t) => {
  const where = await place(t);
  await leave(t, where, begun.slice(0, 512));
  t.is(await cached(await open(t, where), begun.slice(0, 512)), 511);
});

test("two open pairs find what the other has read meanwhile, and what is there is not written twice", async (t) => {
  const where = await place(t);
  const [one, other] = [await open(t, where), await open(t, where)];
  await turn(one, begun.slice(0, 300));
  await one.dispose();
  t.is(await cached(other, begun), 256);
  await other.dispose();
  const third = await open(t, where);
  t.is(await cached(third, begun), 512);
  t.is(filesOf(where).length, 2);
});

test("keys are kept apart, and their names do not stand in the files", async (t) => {
  const where = await place(t);
  await leave(t, where, begun, { cacheKey: "somebody-in-particular" });
  const pair = await open(t, where);
  t.is(await cached(pair, begun), 0);
  t.is(await cached(pair, begun, { cacheKey: "somebody-else" }), 0);
  t.is(await cached(pair, begun, { cacheKey: "somebody-in-particular" }), 512);
  for (const file of filesOf(where)) {
    t.false(file.includes("particular"));
    t.false(readFileSync(file).includes("particular"));
  }
});

test("another model, or another cache, finds nothing", async (t) => {
  const where = await place(t);
  await leave(t, where);
  const other = await place(t, { prefill: { seed: 9 } });
  t.is(await cached(await open(t, { ...other, directory: where.directory }), begun), 0);
  t.is(await cached(await open(t, where, { cacheTypeK: "q8_0" }), begun), 0);
  t.is(await cached(await open(t, where, { flashAttention: false }), begun), 0);
  t.is(await cached(await open(t, where), begun), 512);
});

test("with deterministic, only what was computed in the same way is taken over", async (t) => {
  const where = await place(t, { batchSize: 128 });
  const pair = await open(t, where);
  await using session = await pair.createSession();
  await session.prefill(begun.slice(0, 100));
  await session.prefill(begun.slice(100));
  await pair.dispose();
  const whole = { deterministic: true } as const;
  const next = await open(t, where);
  const { logProbs, cachedTokens } = await turn(next, begun, whole);
  t.is(cachedTokens, 0);
  await next.dispose();
  const last = await open(t, where);
  const again = await turn(last, begun, whole);
  t.is(again.cachedTokens, 512);
  t.deepEqual(again.logProbs, logProbs);
  const wider = await open(t, where, { batchSize: 256 });
  t.is(await cached(wider, begun, whole), 0);
});

test("the folder never takes more than allowed, and what was used last stays", async (t) => {
  const where = await place(t);
  await leave(t, where);
  const ofOne = statSync(filesOf(where)[0] as string).size;
  const maxDiskBytes = 5 * ofOne;
  const limited = { prefixCache: { directory: where.directory, maxDiskBytes } };
  for (let seed = 2; seed < 6; seed++) {
    const pair = await open(t, where, limited);
    t.is(await cached(pair, begun), 512, `seed ${seed}`);
    await turn(pair, someTokens(600, seed));
    await pair.dispose();
    t.true(filesOf(where).length <= 5);
  }
  const pair = await open(t, where, limited);
  t.is(await cached(pair, someTokens(600, 2)), 0);
  t.is(await cached(pair, someTokens(600, 5)), 512);
});

test("a damaged file is passed over and removed, and written again", async (t) => {
  const where = await place(t);
  await leave(t, where);
  const flip = (file: string) => {
    const bytes = readFileSync(file);
    const at = bytes.length - 100;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(file, bytes);
  };
  for (const damage of [flip, (file: string) => truncateSync(file, 1000), (file: string) => writeFileSync(file, "")]) {
    for (const file of filesOf(where)) damage(file);
    const pair = await open(t, where);
    t.is(await cached(pair, begun), 0);
    t.is(pair.metrics().prefixCache.directory.failures, 1);
    await pair.dispose();
    const next = await open(t, where);
    t.true((await cached(next, begun)) >= 256);
    await next.dispose();
    await leave(t, where);
  }
});

test("a folder gives and takes more than fits into memory", async (t) => {
  const where = await place(t);
  const little = { directory: where.directory, maxBytes: 200_000 };
  const writer = await open(t, where, { prefixCache: little });
  t.is(await cached(writer, begun), 0);
  t.true(writer.metrics().prefixCache.bytes <= 200_000);
  await writer.dispose();
  t.is(filesOf(where).length, 2);
  const pair = await open(t, where, { prefixCache: little });
  t.is(await cached(pair, begun), 512);
  t.true(pair.metrics().prefixCache.bytes <= 200_000);
  t.is(pair.metrics().prefixCache.directory.read, 2);
});

test("a folder is named by a file: URL as well, or with a slash at its end, and made for its user alone", async (t) => {
  for (const toName of [pathToFileURL, (path: string) => `${path}/`]) {
    const where = await place(t);
    const pair = await open(t, where, { prefixCache: { directory: toName(where.directory) } });
    if (process.platform !== "win32") t.is(statSync(where.directory).mode & 0o777, 0o700);
    await turn(pair, begun);
    await pair.dispose();
    t.is(filesOf(where).length, 2);
  }
});

test("a folder that cannot be made, and bad options, are refused", async (t) => {
  const where = await place(t);
  const file = where.recipe.prefill as string;
  for (const directory of [file, join(file, "below")])
    await refusal(t, "ERR_FILE_WRITE_FAILED", open(t, { ...where, directory }));
  const bad: readonly (readonly [PairRecipe["prefixCache"], string])[] = [
    [{ directory: 5 as never }, "a number"],
    [{ directory: "" }, "no name"],
    [{ directory: new URL("https://example.com/x") }, "no file"],
    [{ directory: where.directory, maxDiskBytes: 0 }, "no bytes"],
    [{ maxDiskBytes: 1000 }, "no folder"],
  ];
  for (const [prefixCache, message] of bad)
    await refusal(t, "ERR_INVALID_ARGUMENT", open(t, where, { prefixCache }), message);
});

test("a folder that goes while a pair uses it fails no prefill", async (t) => {
  const where = await place(t);
  const pair = await open(t, where);
  rmSync(where.directory, { recursive: true });
  t.is(await cached(pair, begun), 0);
  t.is(await cached(pair, begun), 699);
  while (pair.metrics().prefixCache.directory.failures < 2) await new Promise((done) => setTimeout(done, 5));
  t.is(pair.metrics().prefixCache.directory.written, 0);
});

test("processes that are killed while they write leave a folder that others use", async (t) => {
  const where = await place(t, { contextSize: 1024, batchSize: 512 });
  const child = join(import.meta.dirname, "children", "read-into-folder.mjs");
  const model = where.recipe.prefill as string;
  const random = mulberry32(5);
  const killed = (after: number) =>
    new Promise((resolve) => {
      const started = spawn(process.execPath, [child, model, where.directory], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      started.on("close", (_, signal) => resolve(signal));
      started.stdout.on("data", (data: Buffer) => {
        const said = Number(String(data).trim().split("\n").at(-1));
        if (said >= after) setTimeout(() => started.kill("SIGKILL"), random() * 20);
      });
    });
  // Two at a time.
  for (const after of [5, 15]) t.deepEqual(await Promise.all([killed(after), killed(after)]), ["SIGKILL", "SIGKILL"]);
  const pair = await open(t, where);
  const text = (i: number) => Array.from({ length: 600 }, (_, at) => 40 + ((at * (i + 3)) % 160));
  t.is(await cached(pair, text(0)), 512);
  for (let i = 1; i < 8; i++) await cached(pair, text(i));
  await turn(pair, someTokens(600, 99));
  const { read, failures } = pair.metrics().prefixCache.directory;
  t.true(read >= 4);
  t.is(failures, 0);
  await pair.dispose();
  // What the dead had begun has gone.
  t.deepEqual(
    readdirSync(where.directory).filter((name) => name.startsWith(".")),
    [],
  );
});

test("a process that ends without a word to its pair ends well, and what it had written can be used", async (t) => {
  const where = await place(t, { contextSize: 1024, batchSize: 512 });
  const args = [where.recipe.prefill as string, where.directory, "30"];
  t.like(await runChild("read-into-folder.mjs", { args }), { code: 0, stderr: "" });
  const pair = await open(t, where);
  const first = Array.from({ length: 600 }, (_, at) => 40 + ((at * 3) % 160));
  t.is(await cached(pair, first), 512);
});
