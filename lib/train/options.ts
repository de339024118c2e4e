/** What callers may ask of training and of making a model to be trained. */

import type { GpuOption, ModelSource } from "../internal/model-source.js";
import type { BadLine, Evaluation } from "./results.js";

/**
 * What the student is trained on:
 * - `"overfill"`: the full model reads the prompt, the student writes the response on its KV cache (arXiv 2508.08446);
 * - `"sft"`: the student reads the prompt itself and learns the response: the same model alone, the baseline;
 * - `"full"`: any model, on whole texts and on responses: how a full model is trained, from its weights or from scratch.
 */
export type TrainingMode = "overfill" | "sft" | "full";

/**
 * Which model of a pair is trained:
 * - `"writer"`: the student, on the full model's cache;
 * - `"reader"`: the full model, so that its cache suits a student that stays as it is (arXiv 2609.26333);
 * - `"both"`: each on the other.
 */
export type TrainedSide = "writer" | "reader" | "both";

/** How the learning rate goes on after the warm-up: as it is, or down to `rateFloor` in a line or half a cosine. */
export type RateSchedule = "constant" | "linear" | "cosine";

/** Types that a trained model can be written in; `"same"`: each tensor's own in the student's file. */
export type TrainedType = "same" | "f32" | "f16" | "bf16" | "q8_0";

/** Types that a translator's maps can be written in; `"same"`: that of the file they came from. */
export type TranslatorOutType = "same" | "f32" | "f16" | "q8_0";

/** What training does; it comes back to training after each evaluation. */
export type HealStage = "loading" | "training" | "evaluating" | "writing";

/** How far a training has come. */
export interface HealProgress {
  readonly stage: HealStage;
  /** Of the stage: 0 to 1. */
  readonly fraction: number;
  /** Steps of the optimiser that are done, those of a training that was resumed included. */
  readonly step: number;
  /** Steps that there will be, as far as is known; less if the training ends early. */
  readonly steps: number;
  /** Of the last step, in nats per token; 0 before the first. */
  readonly loss: number;
  /** Of the last step. */
  readonly learningRate: number;
  /** Of the last step, before clipping. */
  readonly gradientNorm: number;
  /** Tokens that the student was asked for so far. */
  readonly tokens: number;
  /** Tokens that the student read, and the reader where it is trained, over the last steps. */
  readonly tokensPerSecond: number;
}

/** Learning from the full model's whole distribution, not from the data's token alone (Hinton et al., arXiv 1503.02531). */
export interface DistillationOptions {
  /** Of the loss: above 0, to 1. The rest is cross-entropy. @default 0.5 */
  readonly share?: number | undefined;
  /** Of both distributions: above 0, to 100. The loss is multiplied by its square. @default 2 */
  readonly temperature?: number | undefined;
}

/**
 * Training of a low-rank product beside each matrix in place of the matrix (Hu et al., arXiv 2106.09685). A student's is
 * added to the weights when the model is written, so that the file is a model like any other; a reader's is written as an
 * adapter.
 */
export interface LoraOptions {
  /** Of the product: 1 to 4096. */
  readonly rank: number;
  /** The product counts `alpha / rank`: above 0, to 65536. @default the rank */
  readonly alpha?: number | undefined;
  /** Names of tensors, with `*` and `?`: `["*attn_q*"]`. @default all matrices of the layers */
  readonly targets?: readonly string[] | undefined;
}

/** Options of {@link heal}. */
export interface HealOptions {
  /** @default "overfill" */
  readonly mode?: TrainingMode | undefined;
  /**
   * Mode `"overfill"`: which of the two models is trained. The gradients of a reader come from the loss of the response,
   * back through the keys and values that are handed over, and from its own first token; `distillation` is from the full
   * model as it was.
   * @default "writer"
   */
  readonly train?: TrainedSide | undefined;
  /**
   * The model that reads the prompt, or whose logits are distilled; its file does not change. Any type that llama.cpp runs.
   * Needed in mode `"overfill"` and for `distillation`, and refused elsewhere.
   */
  readonly full?: string | URL | ModelSource | undefined;
  /** The model to train, or to write behind a reader that is trained. Its file stays as it is. `gpuLayers: 0` trains on the CPU. */
  readonly student: string | URL | ModelSource;
  /**
   * What to train on: JSONL, a line each of `{ "messages": [...] }` for the model's chat template,
   * `{ "prompt": "...", "response": "..." }` or `{ "text": "..." }`. A file named `*.txt` is plain text, read in windows
   * of `contextSize` tokens.
   */
  readonly data: string | URL;
  /** The same, held out from training, to evaluate on. @default no evaluation */
  readonly evalData?: string | URL | undefined;
  /**
   * Where to write the trained model, of both the student; with `train: "reader"` the reader or its adapter. What is there
   * is replaced when all is done.
   */
  readonly out: string | URL;
  /** Where to write the reader or its adapter if both are trained. Needed with `train: "both"`, and refused elsewhere. */
  readonly readerOut?: string | URL | undefined;
  /** Type of the matrices that are written; training computes in f32. For a reader's adapter, `"same"` is f32; beside a student it is always that. @default "same" */
  readonly type?: TrainedType | undefined;
  /** Where to write checkpoints, each in place of the one before. @default `out` with ".checkpoint" behind it */
  readonly checkpoint?: string | URL | undefined;
  /**
   * Whether to go on from the checkpoint, if it is there. All other options must be as they were; the file that comes out
   * is, bit for bit, what it would be without the interruption.
   * @default false
   */
  readonly resume?: boolean | undefined;
  /** Where to write a line of JSON for every step and every evaluation. A resumed training cuts what is behind its checkpoint. @default none */
  readonly log?: string | URL | undefined;
  /** Mode `"overfill"`: a translator file for the handover. @default as {@link loadPair} pairs the two models */
  readonly translator?: string | URL | undefined;
  /**
   * Mode `"overfill"`: whether the translator's linear maps are trained with the student, all of them, by the same
   * optimiser. They begin as `translator`, or the student's metadata, has them; `freeze` and `lora` are about the student
   * only, so `freeze: ["*"]` trains the maps alone. Needs `translatorOut`.
   * @default false
   */
  readonly trainTranslator?: boolean | undefined;
  /**
   * Mode `"overfill"`: where to write the translator for the model that is written, trained or not: training changes the
   * fingerprint by which a translator knows its models. Beside `out`, the model's metadata names it, and {@link loadPair}
   * finds it there.
   * @default not written
   */
  readonly translatorOut?: string | URL | undefined;
  /** Of the translator that is written. Needs `translatorOut`. @default "same" */
  readonly translatorType?: TranslatorOutType | undefined;
  /**
   * Mode `"overfill"`: the share of the prompt that the full model reads, 0 to 1; the student reads the rest. The
   * reference's `teacher_input_ratio`.
   * @default 1
   */
  readonly promptRatio?: number | undefined;
  /**
   * Mode `"overfill"`: the full model reads a part of the response, too, its share drawn from 0 to this, 0 to 1. The
   * reference's `random_data_cutoff`.
   * @default 0
   */
  readonly randomCutoff?: number | undefined;
  /**
   * Mode `"overfill"`: after so many tokens of a response the full model has read them again, as with a refresh: 0 (never)
   * to 1048576.
   * @default 0
   */
  readonly refreshInterval?: number | undefined;
  /** @default none: cross-entropy alone */
  readonly distillation?: DistillationOptions | undefined;
  /** @default none: the weights themselves are trained */
  readonly lora?: LoraOptions | undefined;
  /**
   * With `train: "reader"` and `"both"`: low-rank products beside the full model's matrices. What is written is an adapter,
   * for `prefill: { model, adapters }` of {@link loadPair}. `false`: the weights themselves are trained, and a model is
   * written.
   * @default { rank: 16 }
   */
  readonly readerLora?: LoraOptions | false | undefined;
  /** Names of the student's tensors that are not trained, with `*` and `?`: `["token_embd.weight"]`. @default none */
  readonly freeze?: readonly string[] | undefined;
  /**
   * Tokens of an example, prompt and response, at most: 2 to 1048576. A longer one is a bad line.
   * @default 2048, or what the student was trained on if that is less
   */
  readonly contextSize?: number | undefined;
  /** Examples of a step: 1 to 65536. @default 8 */
  readonly batchSize?: number | undefined;
  /**
   * Tokens that are computed at once, padding included: 1 to 1048576. A step is made of as many such micro-batches as it
   * takes; fewer tokens need less memory.
   * @default 2048
   */
  readonly microBatchTokens?: number | undefined;
  /** Passes over the data: above 0, to 1000000; may be a fraction. Not together with `maxSteps`. @default 1 */
  readonly epochs?: number | undefined;
  /** Steps of the optimiser, over as many epochs as they take: 1 or more. @default as `epochs` says */
  readonly maxSteps?: number | undefined;
  /** Of AdamW (arXiv 1711.05101), at its peak: above 0, to 1. @default 2e-5 */
  readonly learningRate?: number | undefined;
  /** @default "cosine" */
  readonly schedule?: RateSchedule | undefined;
  /** Share of the steps in which the rate grows to its peak: 0 to 1. @default 0.01 */
  readonly warmUp?: number | undefined;
  /** Share of the peak that the rate ends at: 0 to 1. Not for a constant rate. @default 0 */
  readonly rateFloor?: number | undefined;
  /** Of matrices, by the learning rate; norms and biases do not decay: 0 to 1. @default 0 */
  readonly weightDecay?: number | undefined;
  /** Decay of AdamW's first moment: 0 to below 1. @default 0.9 */
  readonly beta1?: number | undefined;
  /** Decay of AdamW's second moment: 0 to below 1. @default 0.95 */
  readonly beta2?: number | undefined;
  /** Of AdamW: above 0, to 1. @default 1e-8 */
  readonly epsilon?: number | undefined;
  /** Largest norm of a step's gradient; a longer one is scaled down to it: 0 (none) to 1000000. @default 1 */
  readonly clip?: number | undefined;
  /** Of the order of the data and of what is drawn: 0 to 2^32 - 1. @default 1 */
  readonly seed?: number | undefined;
  /** Lines among which the next one is drawn: 1 (the file's own order) to 10000000. @default 10000 */
  readonly shuffleWindow?: number | undefined;
  /** Bad lines allowed, each of which is reported and skipped; one more ends the training: 0 or more. @default 10 */
  readonly maxBadLines?: number | undefined;
  /** Steps between two evaluations: 1 or more. @default before the first and after the last only */
  readonly evalInterval?: number | undefined;
  /** Evaluations in a row without a better loss that end the training: 1 to 1000000. Needs `evalInterval`. @default never */
  readonly patience?: number | undefined;
  /** Examples of `evalData` that are evaluated: 1 or more. @default 256 */
  readonly maxEvalExamples?: number | undefined;
  /** Steps between two checkpoints: 1 or more. @default ten minutes, in place of a number of steps */
  readonly checkpointInterval?: number | undefined;
  /**
   * Threads to compute with: 1 to 512. Another number may change the last bits of the result.
   * @default the cores this process may use, fewer for a tiny student
   */
  readonly threads?: number | undefined;
  /** As for {@link loadPair}. @default "auto" */
  readonly gpu?: GpuOption | undefined;
  /** Called as the work goes on. */
  readonly onProgress?: ((progress: HealProgress) => void) | undefined;
  /** Called for each line that is skipped. */
  readonly onBadLine?: ((line: BadLine) => void) | undefined;
  /** Called for each evaluation. */
  readonly onEvaluation?: ((evaluation: Evaluation) => void) | undefined;
  /**
   * Stops the training within a micro-batch. A checkpoint is written, for `resume` to go on from, and the call rejects
   * with `signal.reason`.
   */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link createModel}. */
export interface CreateModelOptions {
  /** Where to write the model; what is there is replaced when all is written. */
  readonly out: string | URL;
  /** Any GGUF model, or a GGUF file of a vocabulary alone, whose tokenizer the new one gets. */
  readonly tokenizer: string | URL;
  /** Width of the residual stream: 1 to 1048576. */
  readonly hiddenSize: number;
  /** Width of each layer's feed-forward network: 1 to 1048576. */
  readonly feedForwardSize: number;
  /** 1 to 512. */
  readonly layers: number;
  /** Query heads of a layer: 1 to 512, a multiple of `kvHeads`. */
  readonly heads: number;
  /** KV heads of a layer: 1 to 512. */
  readonly kvHeads: number;
  /** Width of a head: 2 to 65536, even. @default hiddenSize / heads */
  readonly headSize?: number | undefined;
  /** Tokens: 1 to 1048576. @default 1024 */
  readonly contextSize?: number | undefined;
  /** Of the position encoding: above 0, to 1e12. @default 10000 */
  readonly ropeBase?: number | undefined;
  /** Of the norms: above 0, to 1. @default 1e-5 */
  readonly normEpsilon?: number | undefined;
  /** Whether the output matrix is the embedding matrix. @default true */
  readonly tiedOutput?: boolean | undefined;
  /** Of the matrices. @default "f32" */
  readonly type?: "f32" | "f16" | "bf16" | undefined;
  /** Of the weights; docs/heal.md says how they are drawn: 0 to 2^32 - 1. @default 1 */
  readonly seed?: number | undefined;
  /** `general.name`. @default made from the size */
  readonly name?: string | undefined;
  /** Once it has fired, the work does not begin; work that has begun takes moments and is completed. */
  readonly signal?: AbortSignal | undefined;
}
