/** Stages out of order, two at once, and after the end. */

import test from "ava";
import { loadPair, type Session, type SessionStage, StageError } from "../../lib/index.js";
import { answer, greedy, openPair, openSession, quiet, readAnswer, refusal, someTokens, traced } from "./fixtures.js";

const decode = { seed: 2, nEmbd: 32, nFf: 64 } as const;

/** Brings a new session to a stage. */
const ways: Readonly<Record<Exclude<SessionStage, "interrupted">, (session: Session) => Promise<unknown>>> = {
  empty: async () => {},
  prefilled: (session) => session.prefill(someTokens(20)),
  switched: async (session) => {
    await session.prefill(someTokens(20));
    await session.switch();
  },
  paused: (session) => answer(session, someTokens(20), traced(3)),
  ended: (session) => answer(session, [65], { ...greedy, grammar: 'root ::= "a"' }),
};

const refused: readonly (readonly [stage: keyof typeof ways, call: "switch" | "decode"])[] = [
  ["empty", "switch"],
  ["empty", "decode"],
  ["prefilled", "decode"],
  ["switched", "switch"],
  ["paused", "switch"],
  ["ended", "switch"],
  ["ended", "decode"],
];

for (const [stage, call] of refused) {
  test(`${call} is refused in a session that is ${stage}, which changes nothing`, async (t) => {
    const session = await openSession(t, { decode });
    await ways[stage](session);
    const before = session.stats();
    t.is(before.stage, stage);
    const error = await refusal(t, "ERR_STAGE_ORDER", () =>
      call === "switch" ? session.switch() : readAnswer(session.decode()),
    );
    t.true(StageError.isInstance(error));
    t.deepEqual(error.details, { stage });
    t.deepEqual(session.stats(), before);
    t.is((await answer(session, [50], traced(2))).tokens.length, 2);
  });
}

for (const stage of Object.keys(ways) as (keyof typeof ways)[]) {
  test(`prefill is right in a session that is ${stage}`, async (t) => {
    const session = await openSession(t, { decode });
    await ways[stage](session);
    await session.prefill([50, 51]);
    t.is(session.stats().stage, "prefilled");
  });
}

test("while a stage runs, every other is refused as busy, and the first goes on", async (t) => {
  const session = await openSession(t, { decode, batchSize: 1, contextSize: 512 });
  const first = session.prefill(someTokens(300));
  await refusal(t, "ERR_SESSION_BUSY", session.prefill([50]));
  await refusal(t, "ERR_SESSION_BUSY", session.switch());
  await refusal(t, "ERR_SESSION_BUSY", readAnswer(session.decode()));
  await refusal(t, "ERR_SESSION_BUSY", session.generate([50]));
  t.is((await first).contextTokens, 300);

  await session.switch();
  const iterator = session.decode({ ...greedy, ignoreEos: true })[Symbol.asyncIterator]();
  await iterator.next();
  const other = session.decode();
  await refusal(t, "ERR_SESSION_BUSY", readAnswer(other));
  await refusal(t, "ERR_SESSION_BUSY", other.result);
  await refusal(t, "ERR_SESSION_BUSY", session.prefill([50]));
  let step = await iterator.next();
  while (!step.done) step = await iterator.next();
  t.like(step.value, { reason: "context", tokens: 212 });
});

test("other sessions of the pair are not busy", async (t) => {
  const pair = await openPair(t, { decode, batchSize: 1, maxSessions: 2 });
  const [one, two] = [await pair.createSession(), await pair.createSession()];
  const long = one.prefill(someTokens(300));
  t.is((await answer(two, [50], traced(2))).tokens.length, 2);
  await long;
});

test("after an error the session is no longer busy", async (t) => {
  const session = await openSession(t, { decode });
  for (let round = 0; round < 3; round++) {
    await refusal(t, "ERR_STAGE_ORDER", session.switch());
    await refusal(t, "ERR_STAGE_ORDER", readAnswer(session.decode()));
    await refusal(t, "ERR_INVALID_ARGUMENT", session.prefill([9999]));
  }
  t.is((await answer(session, [50], traced(2))).tokens.length, 2);
});

test("a disposed session refuses every call, and its pair goes on", async (t) => {
  const pair = await openPair(t, { decode });
  const session = await pair.createSession();
  await session.prefill([50]);
  await session.switch();
  const unread = session.decode();
  await session.dispose();
  t.true(session.disposed);
  t.false(pair.disposed);
  await refuseAll(t, session);
  await refusal(t, "ERR_DISPOSED", readAnswer(unread));
  t.is((await answer(await pair.createSession(), [50], traced(2))).tokens.length, 2);
});

test("a disposed pair refuses every call, on its sessions as well", async (t) => {
  const pair = await openPair(t, { decode, maxSessions: 2 });
  const session = await pair.createSession();
  const { info } = pair;
  await pair.dispose();
  t.true(pair.disposed);
  t.true(session.disposed);
  await refuseAll(t, session);
  await refusal(t, "ERR_DISPOSED", pair.createSession());
  await refusal(t, "ERR_DISPOSED", () => pair.tokenize("x"));
  await refusal(t, "ERR_DISPOSED", () => pair.detokenize([50]));
  t.is(pair.info, info);
});

async function refuseAll(t: Parameters<typeof refusal>[0], session: Session): Promise<void> {
  await refusal(t, "ERR_DISPOSED", session.prefill([50]));
  await refusal(t, "ERR_DISPOSED", session.switch());
  await refusal(t, "ERR_DISPOSED", () => session.decode());
  await refusal(t, "ERR_DISPOSED", session.generate([50]));
  await refusal(t, "ERR_DISPOSED", () => session.tokenize("x"));
  await refusal(t, "ERR_DISPOSED", () => session.detokenize([50]));
  await refusal(t, "ERR_DISPOSED", () => session.stats());
}

test("disposing twice, in any order and at once, is well", async (t) => {
  const orders: ((pair: Awaited<ReturnType<typeof openPair>>, session: Session) => Promise<unknown>)[] = [
    async (pair, session) => [
      await session.dispose(),
      await session.dispose(),
      await pair.dispose(),
      await pair.dispose(),
    ],
    async (pair, session) => [await pair.dispose(), await session.dispose(), await session.dispose()],
    (pair, session) => Promise.all([pair.dispose(), session.dispose(), pair.dispose(), session.dispose()]),
    (pair, session) => Promise.all([session.dispose(), pair.dispose(), session.dispose()]),
    async (pair, session) => [await session[Symbol.asyncDispose](), await pair[Symbol.asyncDispose]()],
  ];
  for (const order of orders) {
    const pair = await openPair(t, { decode });
    const session = await pair.createSession();
    await answer(session, [50], traced(2));
    await order(pair, session);
    t.true(pair.disposed);
    t.true(session.disposed);
  }
});

test("await using disposes of a pair and its sessions", async (t) => {
  const kept = await openPair(t, { decode });
  let outer: Session | undefined;
  {
    await using session = await kept.createSession();
    outer = session;
    t.false(session.disposed);
  }
  t.true(outer.disposed);
  t.false(kept.disposed);
  await kept.createSession();
});

test("two pairs in a process do not know of each other", async (t) => {
  const [one, two] = [await openPair(t, { decode }), await openPair(t, { prefill: { seed: 5 } })];
  const [of1, of2] = await Promise.all(
    [one, two].map(async (pair) => answer(await pair.createSession(), someTokens(30), traced(20))),
  );
  t.notDeepEqual(of1?.tokens, of2?.tokens);
  await one.dispose();
  t.is((await two.tokenize("x")).length, 1);
  await refusal(t, "ERR_MODEL_NOT_FOUND", loadPair({ ...quiet, prefill: { model: "/nowhere.gguf" } }));
  t.false(two.disposed);
});
