/** The server on a pair in a host answers what it answers on one in this process. */

import test from "ava";
import { loadPairInHost } from "../../lib/host/index.js";
import { demoPair, demoPrompt, loadPair, type Pair } from "../../lib/index.js";
import { createHandler } from "../../lib/server/index.js";
import { quiet } from "../engine/fixtures.js";

async function answers(pair: Pair): Promise<unknown[]> {
  const handler = createHandler({ models: { demo: { pair, template: "chatml" } } });
  const ask = async (path: string, body: object) => {
    const response = await handler(
      new Request(`http://localhost${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      }),
    );
    return (await response.json()) as { readonly choices: unknown; readonly tokens: unknown };
  };
  const model = { model: "demo", temperature: 0 };
  const completion = await ask("/v1/completions", { ...model, prompt: demoPrompt, max_tokens: 12, logprobs: 2 });
  const messages = [{ role: "user", content: "Hello" }];
  const chat = await ask("/v1/chat/completions", {
    ...{ ...model, messages, max_completion_tokens: 6, logprobs: true, top_logprobs: 2 },
  });
  const { tokens } = await ask("/tokenize", { content: "the red kites", with_pieces: true });
  await handler.dispose();
  return [completion.choices, chat.choices, tokens];
}

test("completions, chats, log-probabilities and tokens", async (t) => {
  const options = { ...demoPair, ...quiet, prefixCache: false } as const;
  await using here = await loadPair(options);
  await using host = await loadPairInHost(options);
  const expected = await answers(here);
  t.true(JSON.stringify(expected).length > 500, JSON.stringify(expected));
  t.deepEqual(await answers(host), expected);
});
