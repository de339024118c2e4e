/** What callers may ask for: the options of every public call, with units, ranges and defaults. */

import type { GpuOption, KernelOption, ModelSource } from "../internal/model-source.js";
import type { PoolOptions, QueueOptions } from "./place-options.js";
import type { PrefixOptions } from "./prefix-options.js";
import type { QualityOptions } from "./quality-options.js";
import type { PrefillService, RemoteOptions, RemotePlace } from "./remote-options.js";
import type { SamplingOptions } from "./sampling-options.js";
import type { WriterOption } from "./writer-options.js";

export type { GpuOption, KernelOption, ModelSource } from "../internal/model-source.js";
export type { SamplerName, SamplingOptions } from "./sampling-options.js";

/** The type in which the KV cache stores K or V. Quantised types need a head size that is a multiple of 32. */
export type CacheType = "f32" | "f16" | "bf16" | "q8_0" | "q5_1" | "q5_0" | "q4_1" | "q4_0" | "iq4_nl";

/** A LoRA adapter of a model, applied while it computes: the weights stay as they are. */
export interface AdapterSource {
  /**
   * Path or `file:` URL of a GGUF file as llama.cpp's `convert_lora_to_gguf.py` writes it, made for this very model or for
   * another quantisation of it. Activated adapters (aLoRA) are refused.
   */
  readonly file: string | URL;
  /** How much of it is added to the weights: -1000 to 1000. @default 1 */
  readonly scale?: number | undefined;
}

/** The prefill model, with its adapters. */
export interface PrefillSource extends ModelSource, RemotePlace {
  /** At most 64, which add up; none may be named twice. @default none */
  readonly adapters?: readonly AdapterSource[] | undefined;
}

/** The decode model, with a KV cache of its own kind where that differs from the prefill model's. */
export interface DecodeSource extends ModelSource {
  /**
   * At most 64, which add up; none may be named twice. A decode model that is the prefill model's file with adapters of
   * its own takes no second set of weights. @default none, whatever the prefill model has
   */
  readonly adapters?: readonly AdapterSource[] | undefined;
  /** @default the pair's `cacheTypeK` */
  readonly cacheTypeK?: CacheType | undefined;
  /** A quantised type needs flash attention. @default the pair's `cacheTypeV` */
  readonly cacheTypeV?: CacheType | undefined;
  /** @default the pair's `flashAttention` */
  readonly flashAttention?: boolean | "auto" | undefined;
}

/** A decode model that has a name, beside others of the same pair. */
export interface WriterSource extends DecodeSource {
  /** As {@link LoadPairOptions.translator}, of this decode model. */
  readonly translator?: LoadPairOptions["translator"] | undefined;
}

/**
 * The prefill model's layers whose cache the decode model's layers read: one index a layer, or the name of a rule for n of
 * the prefill model's layers: `first` and `last` n, `firstlast` (layer 0 and the last n - 1), `spaced` (equal spacing).
 */
export type LayerMap = readonly number[] | "first" | "last" | "firstlast" | "spaced";

/** A fraction between 0 and 1 of the bytes of both models. */
export interface LoadProgress {
  readonly fraction: number;
}

/** Options of {@link loadPair}. */
export interface LoadPairOptions extends PoolOptions, PrefixOptions {
  /**
   * The full model; it reads prompts. Or a server that does so in its place ({@link PrefillService}): then this machine has the
   * decode model alone, which `decode` names, and what needs the prefill model (`quality`, `refreshInterval`, `refreshBudget`,
   * `refresh: false`, `score`, `"prefill"` as a writer) is refused with ERR_REMOTE_UNSUPPORTED.
   */
  readonly prefill: PrefillSource | PrefillService;
  /**
   * The small model; it writes the answers. If it is the prefill model's file (by whatever path) and on the same devices
   * (`gpuLayers`), its weights are loaded once, as the prefill model's `mmap` says.
   *
   * Or several decode models by their names, of which the first writes where nobody is named: up to 64, with any names but
   * `""` and `"prefill"`. All read on from what the one prefill model has read, and those that can share its cache take no
   * memory but their weights. Sessions and answers name their `writer`. `"prefill"` has the prefill model write.
   * @default the prefill model itself, adapters included: a pair of one, which is ordinary inference
   */
  readonly decode?: DecodeSource | Readonly<Record<string, WriterSource>> | "prefill" | undefined;
  /**
   * Tokens that one session can hold, prompt and answer together: 1 or more, rounded up to a multiple of 256.
   * @default what both models were trained on, at most 4096
   */
  readonly contextSize?: number | undefined;
  /**
   * Sessions that can be open at once: 1 to 256. Each takes `contextSize` tokens of KV cache, unless there are `cacheTokens`
   * for all. Calls beyond wait ({@link LoadPairOptions.queue}).
   * @default 1
   */
  readonly maxSessions?: number | undefined;
  /** How many calls may wait for a session's place, and how long. */
  readonly queue?: QueueOptions | undefined;
  /**
   * Tokens of one micro-batch of the prefill: 1 to 8192. An abort waits for no more than one micro-batch.
   * @default 512
   */
  readonly batchSize?: number | undefined;
  /**
   * The share of the time that the reading of prompts gets while answers are being written: 0.01 to 1. The pieces that
   * prompts are read in are then cut to fit, by what reading and writing were seen to take; with 1 they stay whole
   * micro-batches, and each token of an answer waits for one. While nothing is written, prompts have all of the time. It does
   * not count for a decode model that runs apart ({@link WriterInfo.runsApart}).
   * @default 0.6
   */
  readonly prefillShare?: number | undefined;
  /**
   * Threads to compute with: 1 to 512.
   * @default the cores this process may use, by its affinity and its cgroup's quota; fewer for a model under 4 MiB a thread
   */
  readonly threads?: number | undefined;
  /**
   * Matrix kernels of the package for prompts and batches that the processor computes, with weights of q8_0, q4_0, the K
   * types, iq4_nl and iq4_xs. `"auto"` tries them on each type of weights once in a process, and uses them where they are
   * faster; `pair.info.kernels` tells what was found.
   * @default "auto"
   */
  readonly kernels?: KernelOption | undefined;
  /** @default "f16" */
  readonly cacheTypeK?: CacheType | undefined;
  /** A quantised type needs flash attention. @default "f16" */
  readonly cacheTypeV?: CacheType | undefined;
  /** @default "auto" */
  readonly flashAttention?: boolean | "auto" | undefined;
  /**
   * How the KV cache goes from one model to the other. `"auto"` shares it where the models allow, `"share"` refuses a
   * pair that cannot share, `"translate"` makes a copy even where sharing is possible.
   * @default "auto"
   */
  readonly handover?: "auto" | "share" | "translate" | undefined;
  /**
   * What translates the KV cache where it is not shared: threads on the CPU, a ggml graph on the device that holds the
   * decode model's cache, or a fused kernel. A name fails with ERR_HANDOVER_UNAVAILABLE where it cannot run.
   * @default "auto": the CPU for caches in its memory, else the device's own if it can, else the CPU
   */
  readonly implementation?: "auto" | "cpu" | "graph" | "cuda" | "metal" | undefined;
  /**
   * How the prefill model's cache becomes the decode model's where the two models do not agree by themselves: a
   * translator file (made by `overfill fit`), or a layer map for a depth-pruned decode model. Decode models by their names
   * have one each instead ({@link WriterSource}).
   * @default what the decode model's own metadata names (`overfill.translator`, `overfill.layer_map`)
   */
  readonly translator?: string | URL | { readonly layers: LayerMap } | undefined;
  /**
   * `"auto"` takes the GPU package that is installed, if any; a name asks for that one and fails without it.
   * @default "auto"
   */
  readonly gpu?: GpuOption | undefined;
  /** Of a prefill model with {@link RemotePlace.devices} on other machines, or of a server in its place. */
  readonly remote?: RemoteOptions | undefined;
  /** Called while the models load. */
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Stops the load; the call then rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link inspect}. */
export interface InspectOptions {
  readonly prefill: Pick<PrefillSource, "model" | "adapters">;
  /** One decode model. */
  readonly decode?: Omit<DecodeSource, "gpuLayers" | "mmap"> | undefined;
  /** @default "f16" */
  readonly cacheTypeK?: CacheType | undefined;
  /** @default "f16" */
  readonly cacheTypeV?: CacheType | undefined;
  /** @default "auto" */
  readonly flashAttention?: boolean | "auto" | undefined;
  /** As for {@link LoadPairOptions.translator}. */
  readonly translator?: LoadPairOptions["translator"] | undefined;
}

/** Options of {@link Pair.tokenize} and {@link Pair.tokenizeAsync}. */
export interface TokenizeOptions {
  /**
   * Whether the text is one of its own: with the tokens that the vocabulary puts around it, such as BOS, and with the space
   * that SentencePiece vocabularies put before it. Otherwise it continues other text, and has neither.
   * @default false
   */
  readonly addSpecial?: boolean | undefined;
  /**
   * Whether text such as `<|im_end|>` becomes the control token of that name. A text that then begins with BOS itself gets
   * no second one from `addSpecial`.
   * @default false
   */
  readonly parseSpecial?: boolean | undefined;
}

/** Options of {@link Pair.detokenize} and {@link Pair.detokenizeAsync}. */
export interface DetokenizeOptions {
  /** Whether control tokens appear in the text. @default false */
  readonly special?: boolean | undefined;
}

/** A prompt: text, or token ids of the pair's vocabulary. */
export type Prompt = string | readonly number[] | Int32Array | Uint32Array;

/** Tokens of the prompt (and of a refresh before it) that were read so far. */
export interface PrefillProgress {
  readonly tokens: number;
  readonly totalTokens: number;
}

/** Options of {@link Session.prefill}. */
export interface PrefillOptions {
  /**
   * Whether the prefill model first reads again what the decode model wrote since the last prefill, so that the whole
   * cache is the full model's. `false` keeps the decode model's cells.
   * @default true
   */
  readonly refresh?: boolean | undefined;
  /**
   * Whether text such as `<|im_end|>` becomes the control token of that name. Switch it off for text you do not trust.
   * @default true
   */
  readonly parseSpecial?: boolean | undefined;
  /**
   * Whether the prompt is all that the session is to hold, and not what comes next: the tokens at its beginning that the
   * session holds already stay, the others go, and only what is new is read. After an abort the session may have lost
   * what had to go; then another prefill has to follow.
   * @default false
   */
  readonly replace?: boolean | undefined;
  /**
   * Whether the prompt is read in whole micro-batches, so that its keys and values are the same to the last bit whatever
   * other sessions of the pair do meanwhile; their answers then wait for a micro-batch at each token. Otherwise the pieces
   * are shorter while answers are written ({@link LoadPairOptions.prefillShare}). @default false
   */
  readonly deterministic?: boolean | undefined;
  /**
   * Of the prompts of several sessions the one of the highest priority is read first. A whole number of 32 bits.
   * @default 0
   */
  readonly priority?: number | undefined;
  /** Called after every micro-batch. */
  readonly onProgress?: ((progress: PrefillProgress) => void) | undefined;
  /** Stops within one micro-batch; the call rejects with `signal.reason` and the session is as it was before it. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link Session.switch}. */
export interface SwitchOptions extends WriterOption {
  /** Checked before the switch begins; the call then rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link Session.decode}. */
export interface DecodeOptions extends SamplingOptions, QualityOptions {
  /**
   * Who writes: the name of one of the pair's decode models, or `"prefill"`. If it is another one than the session has
   * switched to, the cache is handed over to it first, also where an answer goes on that was cut short.
   * @default the one that the session has switched to
   */
  readonly writer?: string | undefined;
  /** 1 or more. @default until the answer ends or the context is full */
  readonly maxTokens?: number | undefined;
  /**
   * Strings that end the answer and are not part of it, even where they span tokens; also the text of a control token, shown or not.
   */
  readonly stop?: string | readonly string[] | undefined;
  /** Go on past end tokens, which are then never chosen. @default false */
  readonly ignoreEos?: boolean | undefined;
  /** Whether control tokens appear in the text. @default false */
  readonly special?: boolean | undefined;
  /**
   * Every this many tokens of the answer, 1 or more, the prefill model reads them again (a refresh), so that the cache
   * is the full model's once more; the token that follows is its own as well. Sampling, stop strings and chunks go on across
   * a refresh. Tokens count from the last refresh on, also where a call continues an answer that was cut short.
   * @default no refreshes
   */
  readonly refreshInterval?: number | undefined;
  /**
   * Whether each token is computed alone, and what a refresh reads in whole micro-batches, so that the answer is the same to
   * the last bit whatever other sessions of the pair do meanwhile. Otherwise the tokens of sessions that write at the same time
   * share a batch, which is faster for all of them and changes the last bits of logits. @default false
   */
  readonly deterministic?: boolean | undefined;
  /**
   * As {@link PrefillOptions.priority}, for what the prefill model reads within the answer (`refreshInterval`); `generate` and
   * chats have one priority for the prompt and the answer, and a chat's first answer waits with it for a session's place.
   * @default 0
   */
  readonly priority?: number | undefined;
  /** Log-probabilities (natural, over the raw logits) of each token and of so many of the likeliest: 0 to 100. @default none */
  readonly logProbs?: number | undefined;
  /** Stops at once; iteration then throws `signal.reason`. What was not delivered is taken back. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link Session.generate}: those of all three stages. */
export interface GenerateOptions
  extends DecodeOptions,
    Pick<PrefillOptions, "refresh" | "parseSpecial" | "replace" | "onProgress"> {
  /**
   * Answers to write, 1 to 256: the prompt is read once, and they are written at once, as far as the pair has places for
   * sessions free (each takes one while it is written), the others after them. They are drawn with different random numbers:
   * with a `seed`, answer i with the seed plus i. At a temperature of 0 they are all the same. @default 1
   */
  readonly n?: number | undefined;
  /** Called with every chunk as it comes, and with the number of the answer that it belongs to, from 0 on. */
  readonly onChunk?: ((chunk: DecodeChunk, answer: number) => void) | undefined;
}

/** A token and its log-probability. */
export interface TokenLogProb {
  readonly token: number;
  readonly logProb: number;
}

/** A piece of an answer: all that was ready when it was asked for. Its text never ends inside a character. */
export interface DecodeChunk {
  readonly text: string;
  /** Token ids whose text is in this chunk or, for a cut character, in an earlier one. */
  readonly tokens: readonly number[];
  /** One entry a token (none for a chunk without tokens), with {@link DecodeOptions.logProbs} only. */
  readonly logProbs?: readonly (TokenLogProb & { readonly top: readonly TokenLogProb[] })[];
}
