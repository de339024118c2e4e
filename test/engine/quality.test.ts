import { join } from "node:path";
import test from "ava";
import fc from "fast-check";
import { type DecodeOptions, demoPair, demoPrompt, type OverfillError, type Pair } from "../../lib/index.js";
import { withTempDir } from "../support/temp-dir.js";
import { answerAlone, apart, greedy, openPair, readAnswer, refusal, someTokens, traced } from "./fixtures.js";

/** Sums whose order changes little, so that reading several tokens at once does not decide between two likely ones. */
const precise = { cacheTypeK: "f32", cacheTypeV: "f32", flashAttention: false } as const;

const models = { prefill: { seed: 1 }, decode: { seed: 2 }, contextSize: 256, ...precise } as const;

/** What the prefill model answers by itself. */
const alone = (pair: Pair, prompt: string | number[], options: DecodeOptions) =>
  answerAlone(pair, prompt, { ...options, writer: "prefill" });

test("exact answers are the prefill model's, by every handover and with several kinds of sampling options", async (t) => {
  for (const handover of ["share", "translate"] as const) {
    const pair = await openPair(t, { ...models, handover });
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          repeatPenalty: fc.constantFrom(1, 1.3),
          dryMultiplier: fc.constantFrom(0, 0.8),
          stop: fc.constantFrom([], ["a"], ["e", "th"]),
          grammar: fc.constantFrom(undefined, 'root ::= ([a-e] " ")+', 'root ::= "x" [a-z]+ | [0-9]+'),
          logitBias: fc.constantFrom(undefined, new Map([[60, 3]])),
          deterministic: fc.boolean(),
          maxTokens: fc.integer({ min: 1, max: 40 }),
        }),
        fc.integer({ min: 1, max: 1000 }),
        async (options, seed) => {
          const asked = { ...options, ...greedy, logProbs: 3 };
          const prompt = someTokens(20, seed);
          const wanted = await alone(pair, prompt, asked);
          const got = await answerAlone(pair, prompt, { ...asked, quality: "exact" });
          t.deepEqual(got.tokens, wanted.tokens);
          t.is(got.text, wanted.text);
          t.is(got.result.reason, wanted.result.reason);
          t.true(apart(wanted, got) < 1e-3);
        },
      ),
      { numRuns: 25 },
    );
  }
});

test("the report says what was drafted, kept and replaced, and only where it was asked for", async (t) => {
  const pair = await openPair(t, models);
  const options = { ...traced(40), deterministic: true };
  t.is((await answerAlone(pair, someTokens(20), options)).result.verification, undefined);
  t.is((await answerAlone(pair, someTokens(20), { ...options, quality: "fast" })).result.verification, undefined);
  const { result } = await answerAlone(pair, someTokens(20), { ...options, quality: "exact" });
  const { checks, draftedTokens, keptTokens, replacedTokens, foundTokens } = result.verification ?? t.fail();
  // The first token is the prompt's; then each check gives a token and those that it keeps.
  t.is(1 + checks + keptTokens, 40);
  t.true(draftedTokens >= keptTokens + replacedTokens);
  t.true(replacedTokens > 0);
  t.true(foundTokens <= draftedTokens);
  t.is(result.tokens, 40);
});

test("with an acceptance, tokens stay that are likely enough: the less is asked, the more", async (t) => {
  const pair = await openPair(t, models);
  const kept = [];
  for (const acceptance of [1, 0.5, 0.05, 1e-6]) {
    let n = 0;
    for (let seed = 1; seed <= 6; seed++) {
      const options = { ...traced(40), deterministic: true, quality: { acceptance } };
      const got = await answerAlone(pair, someTokens(20, seed), options);
      n += got.result.verification?.keptTokens ?? 0;
      // Of what stayed the prefill model's probability is told, which is at least that share of the likeliest one's.
      for (const { logProb, top } of got.logProbs)
        t.true(logProb - (top[0]?.logProb ?? 0) >= Math.log(acceptance) - 1e-4);
      if (acceptance === 1) t.deepEqual(got.tokens, (await alone(pair, someTokens(20, seed), options)).tokens);
    }
    kept.push(n);
  }
  t.deepEqual(
    kept,
    kept.toSorted((a, b) => a - b),
  );
  t.true((kept[3] ?? 0) > (kept[0] ?? 0));
});

test("an exact answer leaves nothing for the next turn to refresh, and later turns go on from it", async (t) => {
  const pair = await openPair(t, { ...models, maxSessions: 2 });
  await using session = await pair.createSession();
  await session.prefill(someTokens(20));
  await session.switch();
  const { tokens } = await readAnswer(session.decode({ ...traced(12), quality: "exact" }));
  const next = await session.prefill(someTokens(5, 2));
  // Its last token alone has not been read.
  t.is(next.refreshedTokens, 1);
  await session.switch();
  const got = await readAnswer(session.decode(traced(12)));
  const wanted = await answerAlone(pair, [...someTokens(20), ...tokens, ...someTokens(5, 2)], traced(12));
  t.deepEqual(got.tokens, wanted.tokens);
  t.true(apart(wanted, got) < 1e-3);
});

for (const [title, recipe] of [
  ["a shared cache", models],
  ["a copied cache", { ...models, handover: "translate" }],
  ["a recurrent state", { prefill: { architecture: "mamba" }, decode: { architecture: "mamba", seed: 2 } }],
] as const)
  test(`with ${title}, behind a prompt without a refresh an exact answer is exact from its first token on`, async (t) => {
    const pair = await openPair(t, { ...recipe, maxSessions: 2 });
    for (let seed = 1; seed <= 4; seed++) {
      await using session = await pair.createSession();
      await session.prefill(someTokens(20, seed));
      await session.switch();
      const { tokens } = await readAnswer(session.decode(traced(6)));
      await session.prefill(someTokens(3, 50), { refresh: false });
      await session.switch();
      const text = [...someTokens(20, seed), ...tokens, ...someTokens(3, 50)];
      const wanted = await alone(pair, text, traced(5));
      const exact = { ...traced(5), quality: "exact" } as const;
      for await (const _ of session.decode({ ...exact, maxTokens: 30 })) break;
      await session.truncate(text.length);
      for (const attempt of ["left and truncated", "and again"]) {
        const got = await readAnswer(session.decode(exact));
        t.deepEqual(got.tokens, wanted.tokens, attempt);
        t.true(apart(wanted, got) < 1e-3);
        await session.truncate(text.length);
      }
    }
  });

test("a reader that leaves an exact answer early leaves the session where it stopped", async (t) => {
  const pair = await openPair(t, models);
  const wanted = await alone(pair, someTokens(20), traced(70));
  for (const taken of [1, 4, 9]) {
    await using session = await pair.createSession();
    await session.prefill(someTokens(20));
    await session.switch();
    let count = 0;
    for await (const { tokens } of session.decode({ ...traced(60), quality: "exact" })) {
      count += tokens.length;
      if (count >= taken) break;
    }
    t.is(session.stats().contextTokens, 20 + count);
    const rest = await readAnswer(session.decode({ ...traced(70 - count), quality: "exact" }));
    t.deepEqual(rest.tokens, wanted.tokens.slice(count));
  }
});

test("an exact answer that was cut short and saved goes on as the one that was not saved, with refreshes too", async (t) => {
  const pair = await openPair(t, { ...models, maxSessions: 2 });
  await using session = await pair.createSession();
  await session.prefill(someTokens(20), { deterministic: true });
  await session.switch();
  const options = { ...traced(20), deterministic: true };
  await readAnswer(session.decode({ ...options, maxTokens: 6, quality: "exact" }));
  const file = join(withTempDir(t), "session.ofs");
  await session.save(file);
  await using restored = await pair.restore(file);
  const rest = { ...options, refreshInterval: 8 };
  const wanted = await readAnswer(session.decode(rest));
  const got = await readAnswer(restored.decode(rest));
  t.deepEqual(got.tokens, wanted.tokens);
  t.is(got.result.refreshes, wanted.result.refreshes);
  t.is(wanted.result.refreshes, 2);
});

test("the demo pair's exact answers are its full model's", async (t) => {
  const pair = await openPair(t, {
    ...precise,
    prefill: String(demoPair.prefill.model),
    decode: String(demoPair.decode.model),
  });
  const options = { ...traced(60), deterministic: true };
  const wanted = await alone(pair, demoPrompt, options);
  const got = await answerAlone(pair, demoPrompt, { ...options, quality: "exact" });
  t.is(got.text, wanted.text);
  // Its decode model was healed for this: most of what it drafts stays.
  const { keptTokens, draftedTokens } = got.result.verification ?? t.fail();
  t.true(keptTokens > draftedTokens / 2);
});

const either = /^options\.quality: expected "fast", "exact" or an object with an acceptance/;
const share = /^options\.quality\.acceptance: expected a number above 0, up to 1; got /;
const wrong: readonly (readonly [title: string, quality: unknown, message: RegExp])[] = [
  ["another word", "best", either],
  ["a number", 0.5, either],
  ["no acceptance", {}, share],
  ["an acceptance of nothing", { acceptance: 0 }, share],
  ["an acceptance above 1", { acceptance: 1.5 }, share],
  ["more than the acceptance", { acceptance: 0.5, exact: true }, /^options\.quality\.exact: no such option/],
];
for (const [title, quality, message] of wrong)
  test(`a quality of ${title} is refused`, async (t) => {
    const pair = await openPair(t);
    await using session = await pair.createSession();
    await session.prefill("a");
    await session.switch();
    const error = t.throws<OverfillError>(() => session.decode({ quality: quality as never }));
    t.is(error?.code, "ERR_INVALID_ARGUMENT");
    t.regex(error?.message ?? "", message);
  });

test("a refresh interval with a checked quality is refused, and the session can go on", async (t) => {
  const pair = await openPair(t, models);
  await using session = await pair.createSession();
  await session.prefill(someTokens(20));
  await session.switch();
  const both = { quality: "exact", refreshInterval: 4 } as const;
  for (const attempt of [() => session.decode(both), session.generate("more", both)]) {
    const error = await refusal(t, "ERR_INVALID_ARGUMENT", attempt);
    t.is(error.details.parameter, "options.refreshInterval");
  }
  t.is((await readAnswer(session.decode({ ...traced(3), quality: "exact" }))).tokens.length, 3);
});
