/** node-llama-cpp's process: `sequence.evaluate`, its leanest way to tokens. */

import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { serve } from "../child-process.js";
import type { ContestantRequest, SingleModelSettings } from "./contestant.js";

type Sequence = Awaited<ReturnType<typeof open>>;
type Tokens = ReturnType<Sequence["evaluate"]>;

let sequence: Sequence | undefined;
let answer: Tokens | undefined;

serve<ContestantRequest<SingleModelSettings>, number>(async (request) => {
  switch (request.verb) {
    case "open":
      sequence = await open(request.settings);
      return 0;
    case "prompt":
      return prompt(request.tokens);
    case "decode":
      return decode(request.nTokens);
  }
});

async function open({ model: modelPath, threads, contextSize }: SingleModelSettings) {
  const llama = await getLlama({ gpu: false, build: "never", maxThreads: threads, logLevel: LlamaLogLevel.error });
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({
    contextSize,
    batchSize: 512,
    sequences: 1,
    // At least as many too, or it may take fewer.
    threads: { ideal: threads, min: threads },
    // What this package and the native loop use on a processor.
    flashAttention: true,
  });
  return context.getSequence();
}

async function prompt(tokens: readonly number[]): Promise<number> {
  await answer?.return();
  await sequence?.clearHistory();
  const begin = performance.now();
  answer = sequence?.evaluate(tokens as Parameters<Sequence["evaluate"]>[0], { temperature: 0, yieldEogToken: true });
  await write(1);
  return performance.now() - begin;
}

async function decode(nTokens: number): Promise<number> {
  const begin = performance.now();
  await write(nTokens);
  return performance.now() - begin;
}

async function write(nTokens: number): Promise<void> {
  for (let i = 0; i < nTokens; i++) if ((await answer?.next())?.done) throw new Error("the answer has ended early");
}
