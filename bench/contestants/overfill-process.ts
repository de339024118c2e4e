/** This package's process: a pair, read and written through the public API. */

import { loadPair, type Pair, type Session } from "../../lib/index.js";
import { serve } from "../child-process.js";
import type { ContestantRequest, OverfillSettings } from "./contestant.js";

let pair: Pair | undefined;
let session: Session | undefined;

serve<ContestantRequest<OverfillSettings>, number>(async (request) => {
  switch (request.verb) {
    case "open":
      pair = await open(request.settings);
      return pair.info.loadMs;
    case "prompt":
      return prompt(request.tokens);
    case "decode":
      return decode(request.nTokens);
  }
});

function open({ prefill, decode, threads, contextSize }: OverfillSettings): Promise<Pair> {
  return loadPair({
    prefill: { model: prefill },
    ...(decode === undefined ? {} : { decode: { model: decode } }),
    threads,
    contextSize,
    gpu: false,
  });
}

async function prompt(tokens: readonly number[]): Promise<number> {
  await session?.dispose();
  session = await pair?.createSession();
  const begin = performance.now();
  await session?.prefill(tokens);
  await session?.switch();
  await write(1);
  return performance.now() - begin;
}

async function decode(nTokens: number): Promise<number> {
  const begin = performance.now();
  await write(nTokens);
  return performance.now() - begin;
}

async function write(maxTokens: number): Promise<void> {
  let nTokens = 0;
  for await (const chunk of session?.decode({ maxTokens, temperature: 0, ignoreEos: true }) ?? [])
    nTokens += chunk.tokens.length;
  if (nTokens !== maxTokens) throw new Error(`expected ${maxTokens} tokens, got ${nTokens}`);
}
