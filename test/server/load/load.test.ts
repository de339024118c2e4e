/** Many clients at once, of which some leave, read slowly, send rubbish or half of a request: the others get their answers. */

import { connect } from "node:net";
import test from "ava";
import { mulberry32 } from "../support/random.js";
import { endless, greeting, openServer, user } from "./fixtures.js";

const chat = "/v1/chat/completions";
/** What each client does in its turn; CI has little time. */
const nRounds = Number(process.env.OVERFILL_TEST_LOAD_ROUNDS ?? 6);
const nClients = Number(process.env.OVERFILL_TEST_LOAD_CLIENTS ?? 24);

test("well-behaved clients are answered among others, and nothing stays behind", async (t) => {
  t.timeout(120_000 + nRounds * 10_000);
  const { ask, json, server, pair } = await openServer(t, {
    pair: { maxSessions: 4 },
    limits: { bodyBytes: 65_536, bodyMs: 5000, slowReaderMs: 5000, maxWaiting: 256 },
  });
  let answered = 0;
  const port = server.port;

  /** Writes to a connection of its own, and leaves as it is told. */
  const socket = (text: string, how: "end" | "destroy" | "wait") =>
    new Promise<void>((resolve) => {
      const client = connect(port, "127.0.0.1", () => {
        client.write(text);
        if (how === "end") client.end();
        else if (how === "destroy") setImmediate(() => client.destroy());
      });
      client.on("error", () => {});
      client.on("close", () => resolve());
      client.resume();
    });
  const whole = (body: object) => {
    const text = JSON.stringify(body);
    return `POST ${chat} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
  };

  const behaviours = [
    async () => {
      const { body } = await json(chat, { messages: user(greeting) });
      if (body.choices?.[0]?.message.content !== "Good day.") throw new Error(JSON.stringify(body));
      answered++;
    },
    async () => {
      const response = await ask(chat, { messages: user(greeting), stream: true });
      if (!(await response.text()).endsWith("data: [DONE]\n\n")) throw new Error("a stream ended too early");
      answered++;
    },
    async (random: () => number) => {
      const controller = new AbortController();
      const timer = setTimeout(() => controller.abort(), random() * 30);
      await ask(chat, { messages: user(endless), stream: random() < 0.5 }, { signal: controller.signal })
        .then((response) => response.text())
        .catch(() => {});
      clearTimeout(timer);
    },
    // Reads nothing of an answer that does not end, and leaves.
    () =>
      new Promise<void>((resolve) => {
        const client = connect(port, "127.0.0.1", () => client.write(whole({ messages: user(endless), stream: true })));
        client.pause();
        client.on("error", () => {});
        const timer = setTimeout(() => client.destroy(), 400);
        client.on("close", () => {
          clearTimeout(timer);
          resolve();
        });
      }),
    async () => void (await ask(chat, { messages: user("x".repeat(100_000)) }).then((response) => response.text())),
    async () => void (await ask(chat, '{"messages": [').then((response) => response.text())),
    () => socket(`POST ${chat} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 50\r\n\r\n{"mess`, "destroy"),
    () => socket("GET / HTTP/9\r\n\r\n", "end"),
    () => socket(whole({ messages: user(endless), max_tokens: 20 }), "end"),
    () => socket(whole({ messages: user(endless) }), "destroy"),
  ] as const;

  const client = async (n: number) => {
    const random = mulberry32(n + 1);
    // The first are well-behaved throughout.
    const most = n < nClients / 4 ? 2 : behaviours.length;
    for (let round = 0; round < nRounds; round++) await behaviours[Math.floor(random() * most)]?.(random);
  };
  await Promise.all(Array.from({ length: nClients }, (_, n) => client(n)));
  t.true(answered >= (nClients / 4) * nRounds, `${answered} were answered`);
  while (server.handler.running > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  // A place is free when the engine's step has ended, which may be after the answer has.
  type Slots = readonly { readonly is_processing: boolean }[];
  while (((await json("/slots")).body as Slots).some((slot) => slot.is_processing))
    await new Promise((resolve) => setTimeout(resolve, 10));
  t.is(pair.metrics().waiting, 0);
  t.is((await json(chat, { messages: user(greeting) })).body.choices[0].message.content, "Good day.");
});
