/** Flags of the commands that answer with a pair, and what they mean to the API: which pair, where to compute, how to sample. */

import type { Command, OptionValues } from "@commander-js/extra-typings";
import type {
  DecodeOptions,
  ModelSource,
  OnePairOptions,
  PrefillService,
  PrefillSource,
  RemoteDevice,
} from "../engine/index.js";
import { adapterFlags, decodeFileOf } from "./adapter-flags.js";
import { UsageError } from "./exit.js";
import {
  addFlags,
  appendLogitBias,
  appendText,
  cacheFlags,
  computingFlags,
  decodeGpuLayersFlag,
  type FlagsOf,
  given,
  handoverFlags,
  parseNumber,
  parseQuality,
  toDecodeSource,
  toFlashAttention,
  toGpu,
  toTranslator,
} from "./flags.js";
import { isDemo, type ServiceFlags, serviceFlags, toService } from "./prefill-flags.js";

const addModels = (command: Command) =>
  serviceFlags(
    adapterFlags(
      command
        .option("--prefill <file>", "GGUF file of the full model, which reads (default: the demo pair)")
        .option("--decode <file>", "GGUF file of the small model, which writes (default: the prefill model)"),
    ),
  );

const addSampling = (command: Command) =>
  command
    .optionsGroup("Answer:")
    .option("--max-tokens <n>", "end after n tokens", parseNumber)
    .option("--stop <text>", "end before this text; repeatable", appendText)
    .option(
      "--refresh-interval <n>",
      "let the full model read the answer again after every n tokens (default: never)",
      parseNumber,
    )
    .option(
      "--refresh-budget <share>",
      "let the full model read again what the small one is unsure of, for at most this share of the time (0.05: 5% more)",
      parseNumber,
    )
    .option(
      "--quality <q>",
      "fast, exact (the full model's own answer) or a share of 1: drafts stay that the full model finds so likely",
      parseQuality,
    )
    .option("--temp <t>", "temperature; 0 takes the most likely token (default: 0.8; demo pair: 0)", parseNumber)
    .option("--top-k <k>", "sample from the k most likely tokens; 0 is off (default: 40)", parseNumber)
    .option(
      "--top-p <p>",
      "sample from the most likely tokens that together reach this probability (default: 0.95)",
      parseNumber,
    )
    .option(
      "--min-p <p>",
      "drop tokens below this share of the most likely token's probability (default: 0.05)",
      parseNumber,
    )
    .option("--typical-p <p>", "locally typical sampling; 1 is off (default: 1)", parseNumber)
    .option("--repeat-penalty <x>", "divides the logits of recent tokens; 1 is off (default: 1)", parseNumber)
    .option("--presence-penalty <x>", "subtracted once from recent tokens (default: 0)", parseNumber)
    .option("--frequency-penalty <x>", "subtracted per occurrence from recent tokens (default: 0)", parseNumber)
    .option("--repeat-last-n <n>", "how many tokens are recent; -1 is all (default: 64)", parseNumber)
    .option("--seed <n>", "same seed, same answer (default: random)", parseNumber)
    .option("--logit-bias <token=value>", "added to a token id's logit, -inf forbids it; repeatable", appendLogitBias)
    .optionsGroup("More sampling:")
    .option("--dry-multiplier <x>", "DRY: what continuing a repetition costs; 0 is off (default: 0)", parseNumber)
    .option("--dry-base <x>", "how fast that grows with its length (default: 1.75)", parseNumber)
    .option("--dry-allowed-length <n>", "tokens that may be repeated freely (default: 2)", parseNumber)
    .option("--dry-penalty-last-n <n>", "how many tokens it looks back; -1 is all (default: 64)", parseNumber)
    .option(
      "--dry-sequence-breaker <text>",
      String.raw`no repetition goes across it; repeatable (default: line break, ":", "\"", "*")`,
      appendText,
    )
    .option("--xtc-probability <p>", "XTC: how often likely tokens are dropped; 0 is off (default: 0)", parseNumber)
    .option("--xtc-threshold <p>", "the probability from which a token is likely (default: 0.1)", parseNumber)
    .option("--top-n-sigma <n>", "keep logits within n standard deviations; -1 is off (default: -1)", parseNumber)
    .option("--dynatemp-range <t>", "how far the temperature may move; 0 is off (default: 0)", parseNumber)
    .option("--dynatemp-exponent <x>", "how entropy becomes such a temperature (default: 1)", parseNumber)
    .option("--mirostat <version>", "1 or 2, in place of the other samplers; 0 is off (default: 0)", parseNumber)
    .option("--mirostat-tau <bits>", "the surprise that it aims at (default: 5)", parseNumber)
    .option("--mirostat-eta <x>", "how fast it learns (default: 0.1)", parseNumber)
    .option("--samplers <names>", 'their order, such as "penalties;top_k;temperature" (default: llama.cpp\'s)');

const addComputing = (command: Command) =>
  handoverFlags(
    cacheFlags(
      computingFlags(command)
        .addOption(decodeGpuLayersFlag())
        .option(
          "--remote <url>",
          "server whose devices the prefill model lies on, such as rpcs://HOST:50052; repeatable",
          appendText,
        )
        .option("--remote-key <file>", "key of those servers (overfill rpc-key)")
        .option("--context <tokens>", "room for prompt and answer (default: as trained, at most 4096)", parseNumber)
        .option("--batch <tokens>", "prompt tokens read at once (default: 512)", parseNumber),
    ),
  );

export type PairFlags = FlagsOf<typeof addModels> & FlagsOf<typeof addComputing>;
export type SamplingFlags = FlagsOf<typeof addSampling>;

/** The two models. */
export const pairFlags = <Args extends unknown[], Own extends OptionValues>(command: Command<Args, Own>) =>
  addFlags(command, addModels);

/** How the answer is sampled, and where it ends. */
export const samplingFlags = <Args extends unknown[], Own extends OptionValues>(command: Command<Args, Own>) =>
  addFlags(command, addSampling);

/** Where the pair computes, its caches and its handover. */
export const pairComputingFlags = <Args extends unknown[], Own extends OptionValues>(command: Command<Args, Own>) =>
  addFlags(command, addComputing);

/** Servers with the key, which `rpcs:` ones need. */
function toDevices({ remote, remoteKey }: PairFlags): readonly RemoteDevice[] | undefined {
  if (remote === undefined && remoteKey !== undefined)
    throw new UsageError("--remote-key is for servers that --remote names");
  return remote?.map((url) => (remoteKey === undefined ? url : { url, key: remoteKey }));
}

/** Options of `loadPair` with one decode model at most, and what reads for it here or elsewhere. */
export type FlaggedPair = Omit<OnePairOptions, "prefill"> & { readonly prefill: PrefillSource | PrefillService };

interface DemoPair {
  readonly prefill: ModelSource;
  readonly decode: ModelSource;
}
/** Of the commands that have no server read. */
type LocalFlags = PairFlags & { readonly [Name in keyof ServiceFlags]?: undefined };

/** Options of `loadPair`; with no model named, those of the demo pair. Throws a UsageError for flags that contradict. */
export function toLoadOptions(flags: LocalFlags, demoPair: DemoPair): OnePairOptions;
export function toLoadOptions(flags: PairFlags, demoPair: DemoPair): FlaggedPair;
export function toLoadOptions(flags: PairFlags, demoPair: DemoPair): FlaggedPair {
  const service = toService(flags);
  const decode = isDemo(flags) ? demoPair.decode.model : decodeFileOf(flags.prefill, flags);
  return given<FlaggedPair>({
    prefill: service ?? toPrefill(flags, demoPair),
    decode: decode === undefined ? undefined : toDecodeSource(decode, flags),
    contextSize: flags.context,
    threads: flags.threads,
    batchSize: flags.batch,
    gpu: toGpu(flags.gpu),
    cacheTypeK: flags.cacheTypeK,
    cacheTypeV: flags.cacheTypeV,
    flashAttention: toFlashAttention(flags.flashAttention),
    handover: flags.handover,
    implementation: flags.implementation,
    translator: toTranslator(flags),
  });
}

const toPrefill = (flags: PairFlags, demoPair: DemoPair): PrefillSource =>
  given<PrefillSource>({
    model: flags.prefill ?? demoPair.prefill.model,
    gpuLayers: flags.gpuLayers,
    mmap: flags.mmap,
    adapters: flags.prefillAdapter,
    devices: toDevices(flags),
  });

/** The options of `decode` that {@link samplingFlags} say; the demo pair's answers are the most likely ones. */
export function toSamplingOptions(
  flags: SamplingFlags & Pick<PairFlags, "prefill" | "prefillUrl">,
): Omit<DecodeOptions, "grammar" | "ignoreEos" | "special" | "logProbs" | "signal"> {
  return given({
    temperature: flags.temp ?? (isDemo(flags) ? 0 : undefined),
    topK: flags.topK,
    topP: flags.topP,
    minP: flags.minP,
    typicalP: flags.typicalP,
    repeatPenalty: flags.repeatPenalty,
    presencePenalty: flags.presencePenalty,
    frequencyPenalty: flags.frequencyPenalty,
    repeatLastN: flags.repeatLastN,
    dryMultiplier: flags.dryMultiplier,
    dryBase: flags.dryBase,
    dryAllowedLength: flags.dryAllowedLength,
    dryPenaltyLastN: flags.dryPenaltyLastN,
    drySequenceBreakers: flags.drySequenceBreaker,
    xtcProbability: flags.xtcProbability,
    xtcThreshold: flags.xtcThreshold,
    topNSigma: flags.topNSigma,
    dynatempRange: flags.dynatempRange,
    dynatempExponent: flags.dynatempExponent,
    // Other numbers and names are refused by the API, with what would be right.
    mirostat: flags.mirostat as DecodeOptions["mirostat"],
    mirostatTau: flags.mirostatTau,
    mirostatEta: flags.mirostatEta,
    samplers: flags.samplers?.split(";") as DecodeOptions["samplers"],
    seed: flags.seed,
    logitBias: flags.logitBias,
    maxTokens: flags.maxTokens,
    stop: flags.stop,
    refreshInterval: flags.refreshInterval,
    refreshBudget: flags.refreshBudget,
    quality: flags.quality,
  });
}
