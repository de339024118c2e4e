/** What clients do to a server: ask as they should, leave, read slowly, send too much, rubbish, or half of a request. */

import { type Agent, request } from "node:http";
import { connect } from "node:net";
import { endless, greeting, user } from "../fixtures.js";

const chat = "/v1/chat/completions";

/** An answer to a client that asks as it should was not the right one. */
export class WrongAnswer extends Error {}

export interface Target {
  readonly port: number;
  readonly agent: Agent;
}

/** What a client does once. `random` gives numbers from 0 up to 1. */
type Deed = (target: Target, random: () => number) => Promise<void>;

/** Sends a body. An abort ends it without an error: who leaves wants no answer. */
function post({ port, agent }: Target, body: string, signal?: AbortSignal): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const left = () => resolve({ status: 0, text: "" });
    if (signal?.aborted) return left();
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const asking = request({ ...{ host: "127.0.0.1", port, agent, headers }, method: "POST", path: chat }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (piece: string) => {
        text += piece;
      });
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text }));
      answer.on("error", (error) => (signal?.aborted ? left() : reject(error)));
    });
    asking.on("error", (error) => (signal?.aborted ? left() : reject(error)));
    signal?.addEventListener("abort", () => asking.destroy(), { once: true });
    asking.end(body);
    return undefined;
  });
}

/** Writes to a connection of its own, and leaves as it is told. */
function write({ port }: Target, text: string, how: "end" | "destroy"): Promise<void> {
  return new Promise((resolve) => {
    const client = connect(port, "127.0.0.1", () => {
      client.write(text);
      if (how === "end") client.end();
      else setImmediate(() => client.destroy());
    });
    // The server may hang up first.
    client.on("error", () => {});
    client.on("close", () => resolve());
    client.resume();
  });
}

function whole(body: object): string {
  const text = JSON.stringify(body);
  const headers = ["host: localhost", "content-type: application/json", `content-length: ${text.length}`];
  return `POST ${chat} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n${text}`;
}

const expectStatus = (status: number, expected: number) => {
  if (status !== expected) throw new WrongAnswer(`a ${status} instead of a ${expected}`);
};

/** Those who ask as they should: each answer is compared. */
export const wellBehaved: readonly Deed[] = [
  async (target) => {
    const { status, text } = await post(target, JSON.stringify({ messages: user(greeting) }));
    if (status !== 200 || JSON.parse(text).choices[0].message.content !== "Good day.") throw new WrongAnswer(text);
  },
  async (target) => {
    const { text } = await post(target, JSON.stringify({ messages: user(greeting), stream: true }));
    const said = text
      .split("\n\n")
      .filter((line) => line.startsWith("data: {"))
      .map((line) => JSON.parse(line.slice("data: ".length)).choices[0]?.delta.content ?? "");
    if (said.join("") !== "Good day." || !text.endsWith("data: [DONE]\n\n")) throw new WrongAnswer(text);
  },
];

/** All others. What can be told of them is that the server refuses what it has to. */
export const troublesome: readonly Deed[] = [
  async (target, random) => {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), random() * 30);
    await post(target, JSON.stringify({ messages: user(endless), stream: random() < 0.5 }), controller.signal);
    clearTimeout(timer);
  },
  // Reads nothing of an answer that does not end, and leaves.
  ({ port }) =>
    new Promise((resolve) => {
      const client = connect(port, "127.0.0.1", () => client.write(whole({ messages: user(endless), stream: true })));
      client.pause();
      client.on("error", () => {});
      const timer = setTimeout(() => client.destroy(), 400);
      client.on("close", () => {
        clearTimeout(timer);
        resolve();
      });
    }),
  async (target) =>
    expectStatus((await post(target, JSON.stringify({ messages: user("x".repeat(100_000)) }))).status, 413),
  async (target) => expectStatus((await post(target, '{"messages": [')).status, 400),
  async (target) => expectStatus((await post(target, JSON.stringify({ messages: user("x"), hello: 1 }))).status, 400),
  (target) => write(target, `POST ${chat} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 50\r\n\r\n{"mess`, "destroy"),
  (target) => write(target, "GET / HTTP/9\r\n\r\n", "end"),
  (target) => write(target, whole({ messages: user(endless), max_tokens: 20 }), "end"),
  (target) => write(target, whole({ messages: user(endless) }), "destroy"),
];
