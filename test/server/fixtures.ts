/** Servers of a model that says what a test wants (test/support/scripted-model.ts), on a free port of this machine. */

import { join } from "node:path";
import type { ExecutionContext } from "ava";
import type { ChatCompletionFunctionTool } from "openai/resources/chat/completions";
import { type LoadPairOptions, loadPair, type Pair } from "../../lib/index.js";
import { type RunningServer, type ServeOptions, serve } from "../../lib/server/index.js";
import { quiet } from "../engine/fixtures.js";
import { type Script, scriptedCall, writeScriptedModel } from "../support/scripted-model.js";
import { withTempDir } from "../support/temp-dir.js";

/** By the last letter of what is said to it. */
export const script: Script = {
  answers: {
    h: ["Good", " day."],
    k: [scriptedCall("weather", { city: "Graz" })],
    p: [scriptedCall("weather", { city: "Linz" }), `\n${scriptedCall("time", { zone: "CET" })}`],
    r: ["<think>\nA greeting.\n</think>\n\n", "Good evening."],
    "!": ["It", " rains."],
  },
  endless: { e: "on " },
};

/** A prompt that is answered with `Good day.` */
export const greeting = "Say it with an h";
/** One whose answer does not end by itself. */
export const endless = "Say it with an e";

export const weather = {
  type: "function" as const,
  function: {
    name: "weather",
    description: "The weather of a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
} satisfies ChatCompletionFunctionTool;

export const time = {
  type: "function" as const,
  function: {
    name: "time",
    parameters: { type: "object", properties: { zone: { type: "string" } }, required: ["zone"] },
  },
} satisfies ChatCompletionFunctionTool;

/** Writes the model. Gives its path. */
export async function writeModel(t: ExecutionContext, name = "model", contextLength = 1024): Promise<string> {
  const path = join(withTempDir(t), `${name}.gguf`);
  await writeScriptedModel(path, script, contextLength);
  return path;
}

export async function openScriptedPair(t: ExecutionContext, options: Partial<LoadPairOptions> = {}): Promise<Pair> {
  const model = await writeModel(t);
  const pair = await loadPair({ ...quiet, prefill: { model }, contextSize: 1024, maxSessions: 2, ...options });
  t.teardown(() => pair.dispose());
  return pair;
}

export interface Opened {
  readonly server: RunningServer;
  readonly pair: Pair;
  /** A request to a path with a body as JSON, or none. */
  ask(path: string, body?: unknown, init?: RequestInit): Promise<Response>;
  /** The same, and the JSON of its answer. */
  json(path: string, body?: unknown, init?: RequestInit): Promise<{ status: number; body: Json; headers: Headers }>;
  /** The data of the events of a stream. */
  events(path: string, body: object): Promise<Json[]>;
}

// biome-ignore lint/suspicious/noExplicitAny: what an answer's JSON is, the test says by what it expects
export type Json = any;

/** A server with a model `small`, greedy by default. It and the model go when the test has ended. */
export async function openServer(
  t: ExecutionContext,
  { pair: pairOptions, ...options }: Partial<Omit<ServeOptions, "models">> & { pair?: Partial<LoadPairOptions> } = {},
): Promise<Opened> {
  const pair = await openScriptedPair(t, pairOptions);
  const server = await serve({
    models: { small: { pair, aliases: ["gpt-small"], defaults: { temperature: 0 } } },
    port: 0,
    ...options,
  });
  t.teardown(() => server.close());
  return { server, pair, ...askers(server) };
}

export function askers(server: RunningServer): Omit<Opened, "server" | "pair"> {
  const ask: Opened["ask"] = (path, body, { headers, ...init } = {}) =>
    fetch(server.url + path, {
      ...(body !== undefined && { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) }),
      headers: { "content-type": "application/json", ...headers },
      ...init,
    });
  return {
    ask,
    async json(path, body, init) {
      const response = await ask(path, body, init);
      return { status: response.status, body: await response.json(), headers: response.headers };
    },
    async events(path, body) {
      const response = await ask(path, { ...body, stream: true });
      return dataOf(await response.text());
    },
  };
}

/** The data of a text of events; that of the end is left out. */
export const dataOf = (text: string): Json[] =>
  text
    .split("\n")
    .filter((line) => line.startsWith("data: ") && line !== "data: [DONE]")
    .map((line) => JSON.parse(line.slice("data: ".length)));

export const user = (content: string) => [{ role: "user" as const, content }];
