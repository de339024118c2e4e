/** Native work of every kind, for the programs that end in the middle of it. `inside` is called when it has begun. */

import { rmSync } from "node:fs";
import {
  createModel,
  fitTranslator,
  heal,
  inspect,
  loadPair,
  measureImportance,
  onLog,
  prunableArchitectures,
  prune,
} from "../../../dist/index.js";

const open = (model) => loadPair({ prefill: { model }, contextSize: 2048, batchSize: 4, threads: 1, gpu: false });
const words = "the cat sat on the mat and the dog ran in the house ";

/** Work that goes on by itself. */
export const works = {
  load: ({ model, inside }) => loadPair({ prefill: { model }, threads: 1, gpu: false, onProgress: inside }),
  prefill: async ({ model, inside }) =>
    (await (await open(model)).createSession()).prefill(words.repeat(60), { onProgress: inside }),
  generate: async ({ model, inside }) =>
    (await (await open(model)).createSession()).generate(words, { ignoreEos: true, onChunk: inside }),
  score: async ({ model, inside }) => {
    const pair = await open(model);
    setImmediate(inside);
    return pair.score(words.repeat(10), [words.repeat(50)]);
  },
  fit: ({ model, text, out, inside }) =>
    fitTranslator({ prefill: { model }, decode: { model }, text, out, threads: 2, gpu: false, onProgress: inside }),
  importance: ({ model, text, out, inside }) =>
    measureImportance({ model, text, out, threads: 2, gpu: false, onProgress: inside }),
  prune: ({ model, text, out, inside }) =>
    prune({ model, text, out, hidden: 0.25, threads: 2, gpu: false, onProgress: inside }),
  heal: ({ model, data, out, inside }) =>
    heal({ mode: "sft", student: model, data, out, contextSize: 64, threads: 2, gpu: false, onProgress: inside }),
  createModel: ({ model, out, inside }) => {
    rmSync(out, { force: true });
    setImmediate(inside);
    const shape = { hiddenSize: 1024, feedForwardSize: 4096, layers: 40, heads: 8, kvHeads: 8 };
    return createModel({ tokenizer: model, out, ...shape });
  },
  inspect: ({ model, inside }) => {
    setImmediate(inside);
    return inspect({ prefill: { model }, decode: { model } });
  },
  waiting: async ({ model, inside }) => {
    const pair = await open(model);
    globalThis.session = await pair.createSession();
    setImmediate(inside);
    return pair.createSession({ signal: new AbortController().signal });
  },
  idle: async ({ model, inside }) => {
    await open(model);
    inside();
  },
};

/** Synchronous calls, one after the other for ever: only a worker's end ends them. */
export const calls = {
  firstLoad: async ({ inside }) => {
    inside();
    prunableArchitectures();
    for (;;) prunableArchitectures();
  },
  prunableArchitectures: async ({ inside }) => {
    prunableArchitectures();
    inside();
    for (;;) prunableArchitectures();
  },
  stats: async ({ model, inside }) => {
    const session = await (await open(model)).createSession();
    inside();
    for (;;) session.stats();
  },
  createSession: async ({ model, inside }) => {
    const pair = await open(model);
    inside();
    // One runs, some wait, and from then on all are refused: errors are made in the environment that goes.
    for (;;) pair.createSession().catch(() => {});
  },
  prefillAndDecode: async ({ model, inside }) => {
    const session = await (await open(model)).createSession();
    inside();
    for (;;) {
      session.prefill("the cat").catch(() => {});
      session.decode({ maxTokens: 1 }).result.catch(() => {});
    }
  },
  tokenize: async ({ model, inside }) => {
    const pair = await open(model);
    inside();
    for (;;) {
      const tokens = pair.tokenize(words);
      pair.encode({ prompt: "the", response: " cat" });
      // Where these are promises, nobody waits for them.
      pair.detokenize(tokens instanceof Int32Array ? tokens : new Int32Array([50]));
    }
  },
  loadPair: async ({ model, inside }) => {
    await open(model);
    inside();
    for (;;) open(model).catch(() => {});
  },
  onLog: async ({ inside }) => {
    const stop = onLog(() => {});
    inside();
    stop();
    for (;;) onLog(() => {})();
  },
};
