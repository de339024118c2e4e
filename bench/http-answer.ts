/** An answer asked for over HTTP, timed as a client sees it: of this package's server, or of llama.cpp's. */

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

/** Reads the answer as a stream. Rejects if it has another number of tokens. */
export async function askOverHttp(url: string, prompt: readonly number[], tokens: number): Promise<number> {
  const begin = performance.now();
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      ...{ prompt, max_tokens: tokens, temperature: 0, ignore_eos: true },
      ...{ stream: true, stream_options: { include_usage: true } },
    }),
  });
  if (!response.ok || !response.body) throw new Error(await response.text());
  let rest = "";
  let written = 0;
  for await (const bytes of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + bytes).split("\n\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (!line.startsWith("data: {")) continue;
      const { usage } = JSON.parse(line.slice("data: ".length)) as {
        readonly usage?: { readonly completion_tokens: number } | null;
      };
      written = usage?.completion_tokens ?? written;
    }
  }
  if (written !== tokens) throw new Error(`${url} wrote ${written} tokens`);
  return performance.now() - begin;
}
