import test from "ava";
import { demoPair, demoPrompt, demoQuestions, loadPair, type Pair } from "../../lib/index.js";
import { questionsOf } from "../../scripts/reproduce/data.js";
import { solve } from "../../scripts/reproduce/solve.js";
import { greedy, quiet } from "./fixtures.js";

/** Held-out questions, an equal number of each family. */
const asked = questionsOf("heldOut", 25);

async function rightAnswers(pair: Pair): Promise<number> {
  let right = 0;
  for (const { prompt, answer } of asked) {
    await using session = await pair.createSession();
    const { text } = await session.generate(prompt, { ...greedy, maxTokens: 96, stop: "\n" });
    if (text === answer) right++;
  }
  return right;
}

test("the demo pair answers at least 19 of 20 held-out questions in two stages", async (t) => {
  await using pair = await loadPair({ ...quiet, ...demoPair });
  t.is(pair.info.plan.kind, "share");
  t.false(pair.info.plan.oneModel);
  t.true((await rightAnswers(pair)) >= 0.95 * asked.length);
});

test("the demo pair's decode model alone answers fewer than a tenth of them", async (t) => {
  await using pair = await loadPair({ ...quiet, prefill: demoPair.decode });
  t.true(pair.info.plan.oneModel);
  t.true((await rightAnswers(pair)) < 0.1 * asked.length);
});

test("the demo's questions have the answers that a reader of the story finds", (t) => {
  for (const { prompt, answer } of demoQuestions) t.is(solve(prompt), answer);
});

test("the demo prompt gets the answer that its documentation promises", async (t) => {
  await using pair = await loadPair({ ...quiet, ...demoPair });
  await using session = await pair.createSession();
  const { text, decode, handover } = await session.generate(demoPrompt, greedy);
  t.is(text, " 3 gray lamps , 12 red kites , 17 blue keys , 20 red boats .");
  t.is(decode.reason, "eos");
  t.is(handover.kind, "share");
  t.is(handover.bytes, 0);
});

test("the demo pair's first token is the prefill model's own choice", async (t) => {
  await using pair = await loadPair({ ...quiet, ...demoPair });
  await using full = await loadPair({ ...quiet, prefill: demoPair.prefill });
  for (const { prompt } of asked.filter((_, i) => i % 40 === 0)) {
    const first = [];
    for (const one of [pair, full]) {
      await using session = await one.createSession();
      await session.prefill(prompt);
      await session.switch();
      for await (const chunk of session.decode({ ...greedy, maxTokens: 1, logProbs: 10 })) first.push(chunk.logProbs);
    }
    t.deepEqual(first[0], first[1]);
  }
});
