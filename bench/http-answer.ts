/** An answer asked for over HTTP, timed as a client sees it: of this package's server, or of llama.cpp's. */

import { type IncomingMessage, request } from "node:http";

/** Milliseconds to the end of the first token of a new prompt, and for each further token. */
export interface AnswerTimes {
  readonly first: number;
  readonly token: number;
}

/** Milliseconds until a whole answer of so many tokens was read. */
export type Ask = (prompt: readonly number[], tokens: number) => Promise<number>;

/**
 * What a prompt that is new to `ask` takes. Tokens are timed by the difference of two answers of unlike lengths, since a piece of
 * text does not tell how many tokens it is of: a piece of a character is none yet.
 */
export async function timesOf(ask: Ask, prompt: readonly number[], tokens: number): Promise<AnswerTimes> {
  const first = await ask(prompt, 1);
  const short = await ask(prompt, 2);
  return { first, token: ((await ask(prompt, tokens)) - short) / (tokens - 2) };
}

/**
 * Reads the answer as a stream, with the client that costs the least: where client and server share a thread, what the client
 * takes is taken from the model's own threads. Rejects if the answer has another number of tokens.
 */
export async function askOverHttp(url: string, prompt: readonly number[], tokens: number): Promise<number> {
  const begin = performance.now();
  const response = await post(`${url}/v1/completions`, {
    ...{ prompt, max_tokens: tokens, temperature: 0, ignore_eos: true },
    ...{ stream: true, stream_options: { include_usage: true } },
  });
  let rest = "";
  let written = 0;
  let told = "";
  await new Promise<void>((resolve, reject) => {
    response.setEncoding("utf8");
    response.on("data", (piece: string) => {
      told = piece;
      const lines = (rest + piece).split("\n\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (!line.startsWith("data: {")) continue;
        const { usage } = JSON.parse(line.slice("data: ".length)) as {
          readonly usage?: { readonly completion_tokens: number } | null;
        };
        written = usage?.completion_tokens ?? written;
      }
    });
    response.once("end", resolve).once("error", reject);
  });
  if (written !== tokens) throw new Error(`${url} wrote ${written} tokens: ${told}`);
  return performance.now() - begin;
}

function post(url: string, body: object): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    request(url, { method: "POST", headers }, resolve).once("error", reject).end(JSON.stringify(body));
  });
}
