/** Prompts that begin like what was read before: what is taken over, whose it is, and that answers are the same. */

import { join } from "node:path";
import test from "ava";
import type {
  LoadPairOptions,
  Pair,
  PrefillOptions,
  PrefillResult,
  Prompt,
  Session,
  SessionOptions,
} from "../../lib/index.js";
import { withTempDir } from "../support/temp-dir.js";
import { type Answer, openPair, type PairRecipe, readAnswer, refusal, someTokens, traced } from "./fixtures.js";

const small = { seed: 2, nEmbd: 32, nFf: 64 } as const;
const keeping = { prefixCache: {}, contextSize: 2048, maxSessions: 3 } as const;

interface Turn {
  readonly prefill: PrefillResult;
  readonly answer: Answer;
}

/** A new session that reads the prompt and answers. */
async function turn(pair: Pair, prompt: Prompt, options: PrefillOptions & SessionOptions = {}): Promise<Turn> {
  const { cacheKey, ...others } = options;
  await using session = await pair.createSession({ cacheKey });
  const prefill = await session.prefill(prompt, others);
  await session.switch();
  return { prefill, answer: await readAnswer(session.decode(traced(4))) };
}

const cached = async (pair: Pair, prompt: Prompt, options?: PrefillOptions & SessionOptions) =>
  (await turn(pair, prompt, options)).prefill.cachedTokens;

/** The whole of what a session is to hold, and the switch. */
async function replaced(session: Session, prompt: Prompt): Promise<{ readonly prefill: PrefillResult }> {
  const prefill = await session.prefill(prompt, { replace: true });
  await session.switch();
  return { prefill };
}

const begun = someTokens(700);
const goingOn = (n: number, seed: number) => [...begun.slice(0, n), ...someTokens(50, seed)];

/** In micro-batches of one token, in which it makes no difference where a reading begins. */
const kinds: readonly (readonly [title: string, recipe: PairRecipe])[] = [
  ["a sharing pair", { decode: small }],
  ["a copying pair", { decode: small, handover: "translate" }],
  ["one model", {}],
  ["one model with V transposed", { flashAttention: false }],
  ["one model with a q8_0 cache", { cacheTypeK: "q8_0", cacheTypeV: "q8_0" }],
  ["one model with sliding layers", { prefill: { architecture: "gemma3", slidingWindow: { window: 16, pattern: 2 } } }],
  ["one model in a pool", { cacheTokens: 4096 }],
];

for (const [title, recipe] of kinds)
  test(`${title} takes over what prompts have in common, to the token, and writes what it would have`, async (t) => {
    const pair = await openPair(t, { ...keeping, ...recipe, batchSize: 1 });
    const reader = await openPair(t, { ...keeping, ...recipe, batchSize: 1, prefixCache: false });
    t.is(await cached(pair, begun), 0);
    for (const n of [1, 255, 256, 257, 600]) {
      const { prefill, answer } = await turn(pair, goingOn(n, n));
      t.is(prefill.cachedTokens, n);
      t.is(prefill.promptTokens, n + 50);
      const expected = await turn(reader, goingOn(n, n));
      t.is(expected.prefill.cachedTokens, 0);
      t.deepEqual(answer.logProbs, expected.answer.logProbs);
    }
    // The last token is always read.
    t.is(await cached(pair, begun), 699);
  });

for (const architecture of ["mamba", "lfm2"] as const)
  test(`${architecture}, whose state cannot be cut, goes on from the ends of blocks and prompts`, async (t) => {
    const recipe = { ...keeping, prefill: { architecture }, batchSize: 1 } as const;
    const pair = await openPair(t, recipe);
    const reader = await openPair(t, { ...recipe, prefixCache: false });
    t.is(await cached(pair, begun), 0);
    t.is(await cached(pair, [...begun, 60, 61]), 700);
    for (const [prompt, n] of [
      [begun, 512],
      [goingOn(699, 5), 512],
      [goingOn(100, 6), 0],
      [[...begun, 60, 61, 62], 702],
    ] as const) {
      const { prefill, answer } = await turn(pair, prompt);
      t.is(prefill.cachedTokens, n);
      t.deepEqual(answer.logProbs, (await turn(reader, prompt)).answer.logProbs);
    }
  });

test("further turns, forks and prompts with replace take over what another session has read", async (t) => {
  const pair = await openPair(t, { ...keeping, maxSessions: 3, decode: small });
  const first = await pair.createSession();
  await first.prefill(begun);
  const conversation = [...begun, ...someTokens(40, 2), ...someTokens(30, 3)];
  await using second = await pair.createSession();
  t.is((await second.prefill(begun.slice(0, 300))).cachedTokens, 299);
  // A part that was not read in this session, and the rest of the prompt before.
  t.is((await second.prefill(begun.slice(300))).cachedTokens, 399);
  await first.prefill(conversation.slice(700));
  await first.dispose();
  await using fork = await second.fork();
  t.is((await fork.prefill(conversation.slice(700))).cachedTokens, 69);
  const replaced = await second.prefill(conversation.slice(0, 750), { replace: true });
  t.like(replaced, { keptTokens: 700, promptTokens: 50, cachedTokens: 49 });
});

test("what the decode model wrote is taken over only when the prefill model has read it", async (t) => {
  const pair = await openPair(t, { ...keeping, decode: small });
  await using session = await pair.createSession();
  await session.prefill(begun);
  await session.switch();
  const { tokens } = await readAnswer(session.decode({ ...traced(20), ignoreEos: true }));
  const conversation = [...begun, ...tokens, 60, 61];
  t.is(await cached(pair, conversation), 700);
  const refreshed = await session.prefill([60, 61, 62]);
  // The other session has read it meanwhile.
  t.like(refreshed, { refreshedTokens: 20, cachedTokens: 22 });
  t.is(session.stats().prefillTokens, 701);
  t.is(session.stats().cachedTokens, 22);
});

test("with refresh: false, what the decode model wrote is not kept for others", async (t) => {
  const pair = await openPair(t, { ...keeping, decode: small });
  await using session = await pair.createSession();
  await session.prefill(begun);
  await session.switch();
  const { tokens } = await readAnswer(session.decode(traced(20)));
  await session.prefill(someTokens(100, 9), { refresh: false });
  t.is(await cached(pair, [...begun, ...tokens, ...someTokens(100, 9)]), 700);
});

for (const architecture of ["mamba", "lfm2"] as const)
  test(`${architecture}: a prompt that parts before the last switch takes over what is before it, too`, async (t) => {
    const pair = await openPair(t, { ...keeping, prefill: { architecture } });
    const session = await pair.createSession();
    const { prefill } = await replaced(session, begun);
    t.is(prefill.cachedTokens, 0);
    // The state goes back to nothing, since its mark lies behind; up to 512 there is another one.
    const { prefillTokens } = pair.metrics();
    await replaced(session, goingOn(690, 3));
    t.is(pair.metrics().prefillTokens - prefillTokens, 740 - 512);
  });

test("what was rounded in a file stays that session's own", async (t) => {
  const writer = await openPair(t, keeping);
  const file = join(withTempDir(t), "session");
  await using session = await writer.createSession();
  await session.prefill(begun);
  await session.save(file, { compress: "q8_0" });
  // Also when it is saved again as it is now.
  const other = await openPair(t, keeping);
  await using restored = await other.restore(file);
  await restored.save(file);
  const third = await openPair(t, keeping);
  for (const pair of [other, third]) {
    await using again = await pair.restore(file);
    await again.prefill([60, 61]);
    t.is(await cached(pair, begun), 0);
    // What is read is kept all the same.
    t.is(await cached(pair, begun), 699);
  }
});

test("two keys, and none, never find what another has read", async (t) => {
  const pair = await openPair(t, keeping);
  t.is(await cached(pair, begun, { cacheKey: "ann" }), 0);
  t.is(await cached(pair, begun, { cacheKey: "bob" }), 0);
  t.is(await cached(pair, begun), 0);
  t.is(await cached(pair, begun, { cacheKey: "ann" }), 699);
  t.is(await cached(pair, begun, { cacheKey: "bob" }), 699);
  // Nor by the time it takes: as many tokens are read, in as many batches.
  const before = pair.metrics();
  await turn(pair, begun, { cacheKey: "eve" });
  const { prefillTokens, prefillBatches } = pair.metrics();
  t.is(prefillTokens - before.prefillTokens, 700);
  t.is(prefillBatches - before.prefillBatches, 2);
  await using session = await pair.createSession({ cacheKey: "ann" });
  await using fork = await session.fork();
  t.is((await fork.prefill(begun)).cachedTokens, 699);
});

test("a chat's key is that of its session", async (t) => {
  const pair = await openPair(t, keeping);
  const ask = async (cacheKey?: string) => {
    await using chat = pair.chat({ system: "be brief", template: "chatml", cacheKey });
    return (await chat.send("a b c d", { maxTokens: 2 }).finished).usage;
  };
  const { promptTokens, cachedTokens } = await ask("ann");
  t.is(cachedTokens, 0);
  t.is((await ask("bob")).cachedTokens, 0);
  t.is((await ask("ann")).cachedTokens, promptTokens - 1);
});

test("warm reads ahead, for sessions with the same key", async (t) => {
  const pair = await openPair(t, keeping);
  const seen: number[] = [];
  const warmed = await pair.warm(begun, { cacheKey: "ann", onProgress: ({ tokens }) => seen.push(tokens) });
  t.like(warmed, { promptTokens: 700, cachedTokens: 0 });
  t.is(seen.at(-1), 700);
  t.is(pair.metrics().sessions, 0);
  t.like(await pair.warm(begun, { cacheKey: "ann" }), { promptTokens: 700, cachedTokens: 699 });
  t.is(await cached(pair, goingOn(700, 2), { cacheKey: "ann" }), 700);
  t.is(await cached(pair, goingOn(700, 2)), 0);
});

test.serial("an aborted warm leaves no session, and what it had read can be taken over", async (t) => {
  const pair = await openPair(t, { ...keeping, batchSize: 8 });
  const controller = new AbortController();
  const onProgress = ({ tokens }: { readonly tokens: number }) => {
    if (tokens >= 256) controller.abort(controller);
  };
  const error: unknown = await pair.warm(begun, { signal: controller.signal, onProgress }).catch((e) => e);
  t.is(error, controller);
  t.is(pair.metrics().sessions, 0);
  t.true((await cached(pair, begun)) >= 256);
});

test("never more bytes than allowed, and what was used last stays", async (t) => {
  const pair = await openPair(t, { ...keeping, prefixCache: { maxBytes: 450_000 } });
  t.is(pair.info.prefixCacheBytes, 450_000);
  t.is(await cached(pair, begun), 0);
  for (let seed = 2; seed < 12; seed++) {
    await turn(pair, someTokens(300, seed));
    t.true((await cached(pair, begun)) > 256, `seed ${seed}`);
    t.true(pair.metrics().prefixCache.bytes <= 450_000);
  }
  t.is(await cached(pair, someTokens(300, 2)), 0);
});

test("of a prompt that is larger than all that may be kept, the beginning is kept", async (t) => {
  const pair = await openPair(t, { ...keeping, prefixCache: { maxBytes: 200_000 } });
  await turn(pair, begun);
  const { blocks, bytes } = pair.metrics().prefixCache;
  t.is(blocks, 1);
  t.true(bytes <= 200_000);
  t.is(await cached(pair, begun), 256);
});

test("prefixCache: false keeps nothing, and has nothing to read ahead for", async (t) => {
  const pair = await openPair(t, { ...keeping, prefixCache: false });
  t.is(pair.info.prefixCacheBytes, 0);
  await turn(pair, begun);
  t.is(await cached(pair, begun), 0);
  t.like(pair.metrics().prefixCache, { bytes: 0, blocks: 0, cachedTokens: 0 });
  await refusal(t, "ERR_INVALID_ARGUMENT", pair.warm(begun));
});

test("with deterministic, only what was read in the same micro-batches is taken over", async (t) => {
  const pair = await openPair(t, { ...keeping, batchSize: 128 });
  const reader = await openPair(t, { ...keeping, batchSize: 128, prefixCache: false });
  const whole = { deterministic: true } as const;
  // Read from 100 on, in other micro-batches than from the beginning.
  await using session = await pair.createSession();
  await session.prefill(begun.slice(0, 100));
  await session.prefill(begun.slice(100));
  t.is(await cached(pair, begun, whole), 0);
  const { prefill, answer } = await turn(pair, begun, whole);
  t.is(prefill.cachedTokens, 512);
  t.deepEqual(answer.logProbs, (await turn(reader, begun, whole)).answer.logProbs);
  // Others take over all.
  t.is(await cached(pair, begun), 699);
});

test("sessions that read one prompt at the same time all write the same", async (t) => {
  const pair = await openPair(t, { ...keeping, batchSize: 1, maxSessions: 4, decode: small });
  const turns = await Promise.all(Array.from({ length: 4 }, () => turn(pair, begun, { deterministic: true })));
  for (const { answer } of turns) t.deepEqual(answer.tokens, turns[0]?.answer.tokens);
  t.true(turns.reduce((sum, { prefill }) => sum + prefill.cachedTokens, 0) >= 699);
});

test("in a pool, cells of a session that is open are shared: sessions fit that would not each have theirs", async (t) => {
  const pair = await openPair(t, { ...keeping, contextSize: 1024, cacheTokens: 1280, maxSessions: 4, decode: small });
  const reader = await openPair(t, {
    ...keeping,
    contextSize: 1024,
    maxSessions: 4,
    decode: small,
    prefixCache: false,
  });
  const sessions = await Promise.all([1, 2, 3, 4].map(() => pair.createSession()));
  for (const [i, session] of sessions.entries()) {
    const { cachedTokens } = await session.prefill(goingOn(650, i + 20), { deterministic: true });
    t.is(cachedTokens, i === 0 ? 0 : 512);
    await session.switch();
  }
  const answers = await Promise.all(sessions.map((session) => readAnswer(session.decode(traced(4)))));
  t.is(pair.metrics().putAside.times, 0);
  for (const [i, { tokens }] of answers.entries())
    t.deepEqual(tokens, (await turn(reader, goingOn(650, i + 20))).answer.tokens);
  // What one of them gives up stays with the others.
  await sessions[0]?.dispose();
  await sessions[1]?.prefill(goingOn(300, 40), { replace: true });
  const { tokens } = await readAnswer((sessions[2] ?? t.fail()).decode(traced(4)));
  t.is(tokens.length, 4);
});

test("in a pool with room for little else, what is taken over waits for its room", async (t) => {
  const pair = await openPair(t, { ...keeping, contextSize: 1024, cacheTokens: 1024, maxSessions: 4, batchSize: 64 });
  const beginnings = [1, 2, 3, 4].map((seed) => someTokens(650, seed));
  for (const beginning of beginnings) await turn(pair, beginning);
  const turns = await Promise.all(
    beginnings.map((beginning, i) => turn(pair, [...beginning, ...someTokens(50, i + 9)])),
  );
  for (const { prefill } of turns) t.is(prefill.cachedTokens, 650);
});

test("bad options are refused", async (t) => {
  const bad: readonly [Partial<LoadPairOptions>, string][] = [
    [{ prefixCache: true as never }, "true"],
    [{ prefixCache: { maxBytes: 0 } }, "no bytes"],
    [{ prefixCache: { maxBytes: 1.5 } }, "half a byte"],
    [{ prefixCache: { bytes: 1 } as never }, "an unknown name"],
  ];
  for (const [options, message] of bad)
    await refusal(t, "ERR_INVALID_ARGUMENT", openPair(t, options as PairRecipe), message);
  const pair = await openPair(t, keeping);
  for (const cacheKey of ["", "x".repeat(1025), 5 as never])
    await refusal(t, "ERR_INVALID_ARGUMENT", pair.createSession({ cacheKey }), String(cacheKey));
  await refusal(t, "ERR_INVALID_ARGUMENT", pair.warm([], {}));
  await refusal(t, "ERR_INVALID_ARGUMENT", pair.warm(begun, { refresh: true } as never));
  await pair.dispose();
  await refusal(t, "ERR_DISPOSED", pair.warm(begun));
});
