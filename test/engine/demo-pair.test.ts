import test from "ava";
import { demoPair, demoPrompt, loadPair, type Pair } from "../../lib/index.js";
import { lookups } from "../support/lookups.js";
import { greedy, quiet } from "./fixtures.js";

/** The prompts on which the pair's reported rates were measured. */
const measured = lookups(4242, { count: 200, rows: 8 });

async function exactAnswers(pair: Pair): Promise<number> {
  let exact = 0;
  for (const { prompt, answer } of measured) {
    await using session = await pair.createSession();
    const { text } = await session.generate(prompt, { ...greedy, maxTokens: 8 });
    if (text === answer) exact++;
  }
  return exact;
}

test("the demo pair answers at least 95% of its look-ups in two stages", async (t) => {
  await using pair = await loadPair({ ...quiet, ...demoPair });
  t.is(pair.info.plan.kind, "share");
  t.false(pair.info.plan.oneModel);
  t.true((await exactAnswers(pair)) >= 0.95 * measured.length);
});

test("the demo pair's decode model alone answers fewer than half of them", async (t) => {
  await using pair = await loadPair({ ...quiet, prefill: demoPair.decode });
  t.true(pair.info.plan.oneModel);
  t.true((await exactAnswers(pair)) < 0.5 * measured.length);
});

test("the demo prompt gets the answer that its documentation promises", async (t) => {
  await using pair = await loadPair({ ...quiet, ...demoPair });
  await using session = await pair.createSession();
  const { text, decode, handover } = await session.generate(demoPrompt, greedy);
  t.is(text, " ball red kitchen");
  t.is(decode.reason, "eos");
  t.is(handover.kind, "share");
  t.is(handover.bytes, 0);
});

test("the demo pair's first token is the prefill model's own choice", async (t) => {
  await using pair = await loadPair({ ...quiet, ...demoPair });
  await using full = await loadPair({ ...quiet, prefill: demoPair.prefill });
  for (const { prompt } of measured.slice(0, 5)) {
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
