/** Models on disk, loaded pairs and whole answers, as the tests of this folder need them. */

import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { loadPairInHost } from "../../lib/host/index.js";
import {
  type DecodeChunk,
  type DecodeOptions,
  type DecodeResult,
  type DecodeSource,
  type DecodeStream,
  type ErrorWithCode,
  type LoadPairOptions,
  loadPair,
  OverfillError,
  type OverfillErrorCode,
  type Pair,
  type Prompt,
  type Session,
} from "../../lib/index.js";
import type { GgufTensor } from "../support/gguf-writer.js";
import { mulberry32 } from "../support/random.js";
import { withTempDir } from "../support/temp-dir.js";
import { type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";

type Teardown = Pick<ExecutionContext, "teardown">;

/** Files of `test/host` run tests of this folder once more, with every pair in a process of its own. */
export const inHost = process.env.OVERFILL_TEST_PAIRS === "host";

/** One thread: the models are too small for two, and test files run beside each other. */
export const quiet = { threads: 1, gpu: false } as const;

/** What is compared with a new session is not to be taken over from it. */
const forgetful = { prefixCache: false } as const;

export const greedy = { temperature: 0 } as const;

/** Greedy, for so many tokens, with log-probabilities by which two runs are compared. */
export const traced = (maxTokens: number, logProbs = 5) =>
  ({ ...greedy, maxTokens, logProbs, ignoreEos: true }) as const satisfies DecodeOptions;

/** Options of a pair with the models given by path or by what to write. */
export interface PairRecipe extends Omit<LoadPairOptions, "prefill" | "decode"> {
  readonly prefill?: string | TinyModelOptions;
  readonly decode?: string | TinyModelOptions | undefined;
  /** The decode model's own cache. */
  readonly decodeCache?: Omit<DecodeSource, "model">;
}

/** Loads a pair, writing what is given as a recipe; it and the files go when the test has ended. */
export async function openPair(
  t: Teardown,
  { prefill = {}, decode, decodeCache, ...options }: PairRecipe = {},
): Promise<Pair> {
  const dir = withTempDir(t);
  const load = inHost ? loadPairInHost : loadPair;
  const pair = await load({
    ...quiet,
    ...forgetful,
    ...options,
    prefill: { model: await modelPath(join(dir, "prefill.gguf"), prefill) },
    ...(decode !== undefined && {
      decode: { model: await modelPath(join(dir, "decode.gguf"), decode), ...decodeCache },
    }),
  });
  t.teardown(() => pair.dispose());
  return pair;
}

/** As {@link openPair}, with a session on the pair. */
export async function openSession(t: Teardown, recipe: PairRecipe = {}): Promise<Session> {
  return (await openPair(t, recipe)).createSession();
}

async function modelPath(path: string, model: string | TinyModelOptions): Promise<string> {
  return typeof model === "string" ? model : (await writeTinyModel(path, model)).path;
}

/** Token ids that every vocabulary of the fixtures has as ordinary tokens: 40 to 199. Equal seeds give equal tokens. */
export function someTokens(count: number, seed = 1): number[] {
  const random = mulberry32(seed);
  return Array.from({ length: count }, () => 40 + Math.floor(random() * 160));
}

/** An answer read to its end. */
export interface Answer {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly logProbs: readonly NonNullable<DecodeChunk["logProbs"]>[number][];
  readonly chunks: readonly DecodeChunk[];
  readonly result: DecodeResult;
}

export async function readAnswer(stream: DecodeStream): Promise<Answer> {
  const chunks: DecodeChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return {
    text: chunks.map((chunk) => chunk.text).join(""),
    tokens: chunks.flatMap((chunk) => chunk.tokens),
    logProbs: chunks.flatMap((chunk) => chunk.logProbs ?? []),
    chunks,
    result: await stream.result,
  };
}

/** All three stages. */
export async function answer(session: Session, prompt: Prompt, options: DecodeOptions = greedy): Promise<Answer> {
  await session.prefill(prompt, { deterministic: options.deterministic });
  await session.switch();
  return readAnswer(session.decode(options));
}

/** Like {@link answer}, in a session of its own that is disposed afterwards. */
export async function answerAlone(pair: Pair, prompt: Prompt, options: DecodeOptions = greedy): Promise<Answer> {
  await using session = await pair.createSession();
  return await answer(session, prompt, options);
}

type Step = Answer["logProbs"][number] | undefined;

/**
 * The largest difference between the log-probabilities of the likeliest tokens of two steps; infinite where a step is
 * missing. A token that only one of them lists is in the other at most as likely as the last that it lists: so a near-tie
 * at the end of a list counts as little as one in its middle.
 */
export function distance(a: Step, b: Step): number {
  return Math.max(oneWay(a, b), oneWay(b, a));
}

function oneWay(a: Step, b: Step): number {
  const ofB = new Map(b?.top.map(({ token, logProb }) => [token, logProb]));
  if (a === undefined || a.top.length === 0 || ofB.size === 0) return Number.POSITIVE_INFINITY;
  const last = Math.min(...ofB.values());
  return Math.max(
    ...a.top.map(({ token, logProb }) => {
      const other = ofB.get(token);
      return other === undefined ? Math.max(0, logProb - last) : Math.abs(other - logProb);
    }),
  );
}

/** Expects a coded error of this package, and gives it. */
export async function refusal<Code extends OverfillErrorCode>(
  t: ExecutionContext,
  code: Code,
  attempt: Promise<unknown> | (() => unknown),
  message?: string,
): Promise<ErrorWithCode<Code>> {
  const error: unknown = await (async () => (typeof attempt === "function" ? attempt() : attempt))().then(
    (value) => new Error(`it was not refused, but gave ${String(value)}`),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof OverfillError)) {
    t.fail(`${message ? `${message}: ` : ""}expected ${code}, got ${String(error)}`);
    throw error;
  }
  t.is(error.code, code, message ? `${message}: ${error.message}` : error.message);
  return error as unknown as ErrorWithCode<Code>;
}

export type Written = Pick<Answer, "tokens" | "logProbs">;

/** The largest difference between the log-probabilities of the likeliest tokens, step by step until the answers part. */
export function apart(expected: Written, found: Written): number {
  let most = 0;
  for (const [i, step] of expected.logProbs.entries()) {
    most = Math.max(most, distance(step, found.logProbs[i]));
    if (expected.tokens[i] !== found.tokens[i]) break;
  }
  return most;
}

/** Layers that add nothing to the residual stream: a model without them is the same function. */
const silenced =
  (...layers: readonly number[]) =>
  (tensors: GgufTensor[]) =>
    tensors.map((tensor) =>
      layers.some((layer) => new RegExp(`^blk\\.${layer}\\.(attn_output|ffn_down)\\.weight$`).test(tensor.name))
        ? { ...tensor, values: new Float32Array(tensor.values.length) }
        : tensor,
    );

/** A model whose logits are NaN. */
export const withoutNumbers = (tensors: GgufTensor[]) =>
  tensors.map((tensor) =>
    tensor.name === "output_norm.weight" ? { ...tensor, values: tensor.values.map(() => Number.NaN) } : tensor,
  );

/** A model of five layers, two of which do nothing. */
export const deep = { nLayers: 5, tensorEdit: silenced(0, 2) } as const satisfies TinyModelOptions;
/** `deep` without those two. */
export const cut = { layers: [1, 3, 4] } as const satisfies TinyModelOptions;

/**
 * Lets the pair's sessions that are at work take `count` turns: another one, for which there must be room, takes as many,
 * without its tokens being computed together with theirs.
 */
export async function turns(pair: Pair, count: number): Promise<void> {
  await answerAlone(pair, [50], { ...traced(count, 0), deterministic: true });
}

const recurrent = (architecture: "mamba" | "lfm2") =>
  ({ prefill: { architecture }, decode: { architecture, seed: 2 } }) as const satisfies PairRecipe;

/** A decode model of other widths. */
export const narrower = { seed: 2, nEmbd: 32, nFf: 64 } as const satisfies TinyModelOptions;

/** A pair of each kind of handover and of memory. */
export const kindsOfPairs: readonly (readonly [title: string, recipe: PairRecipe])[] = [
  ["sharing", { decode: narrower }],
  ["copying", { decode: narrower, handover: "translate" }],
  ["one model", {}],
  ["sharing through a layer map", { prefill: deep, decode: cut, translator: { layers: [1, 3, 4] } }],
  ["mamba", recurrent("mamba")],
  ["lfm2", recurrent("lfm2")],
];
