/** Disposal in the middle of a stage: the stage rejects with ERR_DISPOSED, the disposal waits for it, nothing hangs. */

import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { Pair, Session } from "../../lib/index.js";
import { makeTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { answerAlone, openPair, readAnswer, refusal, someTokens, traced, turns } from "./fixtures.js";

const dir = makeTempDir();
const slow = join(dir.path, "slow.gguf");
const decode = { seed: 2, nEmbd: 32, nFf: 64, nLayers: 4 } as const;

test.before(async () => {
  await writeTinyModel(slow, { nEmbd: 256, nFf: 512, nLayers: 4, contextLength: 1024 });
});
test.after.always(() => dir.remove());

const open = (t: ExecutionContext) =>
  openPair(t, { prefill: slow, decode, handover: "translate", contextSize: 1024, batchSize: 4, maxSessions: 2 });

interface Stage {
  readonly title: string;
  /** Begins the stage; `running` is called when it is in its middle. */
  readonly run: (session: Session, running: () => void, pair: Pair) => Promise<unknown>;
  readonly before?: (session: Session) => Promise<unknown>;
}

const switched = async (session: Session) => {
  await session.prefill(someTokens(20));
  await session.switch();
};

const stages: readonly Stage[] = [
  { title: "a prefill", run: (session, running) => session.prefill(someTokens(900), { onProgress: running }) },
  {
    title: "a prefill that has only been asked for",
    run: (session, running) => {
      queueMicrotask(running);
      return session.prefill(someTokens(900));
    },
  },
  {
    title: "a switch",
    before: (session) => session.prefill(someTokens(300)),
    run: (session, running) => {
      queueMicrotask(running);
      // A copy may well be done by then, which is fine; it must not be anything else.
      return session.switch().then(() => session.switch());
    },
  },
  {
    title: "an answer",
    before: switched,
    run: async (session, running) => {
      for await (const _ of session.decode(traced(1000))) running();
    },
  },
  {
    title: "an answer that waits for its reader",
    before: switched,
    run: async (session, running, pair) => {
      for await (const _ of session.decode(traced(1000, 0))) {
        await turns(pair, 50);
        running();
      }
    },
  },
  {
    title: "the result of an answer that nobody iterates",
    before: switched,
    run: (session, running, pair) => {
      const { result } = session.decode(traced(1000));
      turns(pair, 5).then(running, running);
      return result;
    },
  },
  {
    title: "generate",
    run: (session, running) => session.generate(someTokens(100), { ...traced(900), onChunk: running }),
  },
];

const disposals: readonly (readonly [title: string, dispose: (pair: Pair, session: Session) => Promise<unknown>])[] = [
  ["its session", (_, session) => session.dispose()],
  ["its pair", (pair) => pair.dispose()],
  ["both", (pair, session) => Promise.all([session.dispose(), pair.dispose()])],
];

for (const { title, run, before } of stages) {
  for (const [what, dispose] of disposals) {
    test(`${title} is refused when ${what} is disposed meanwhile`, async (t) => {
      const pair = await open(t);
      const session = await pair.createSession();
      await before?.(session);
      let disposal: Promise<unknown> | undefined;
      const running = () => {
        disposal ??= dispose(pair, session);
      };
      await refusal(t, "ERR_DISPOSED", run(session, running, pair));
      await disposal;
      t.true(session.disposed);
      if (what !== "its session") return;
      // The place is free again, and clean.
      const other = await answerAlone(pair, someTokens(30), traced(10));
      t.deepEqual((await answerAlone(pair, someTokens(30), traced(10))).logProbs, other.logProbs);
    });
  }
}

test("disposing of one session leaves the answer of another alone", async (t) => {
  const pair = await open(t);
  const expected = await answerAlone(pair, someTokens(30), traced(100));
  const [one, two] = [await pair.createSession(), await pair.createSession()];
  await two.prefill(someTokens(30));
  await two.switch();
  const doomed = one.prefill(someTokens(900));
  const answer = readAnswer(two.decode(traced(100)));
  await Promise.all([one.dispose(), refusal(t, "ERR_DISPOSED", doomed)]);
  t.deepEqual((await answer).logProbs, expected.logProbs);
});

test("a pair disposed with a session per place busy ends them all", async (t) => {
  const pair = await open(t);
  const sessions = [await pair.createSession(), await pair.createSession()];
  const running = sessions.map((session) => session.generate(someTokens(600), traced(300)));
  const refused = Promise.all(running.map((work) => refusal(t, "ERR_DISPOSED", work)));
  await pair.dispose();
  await refused;
});
