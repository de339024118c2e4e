/** `overfill run`: its flags, and what they mean to the API. */

import { type Command, Option } from "@commander-js/extra-typings";
import type { DecodeOptions, LoadPairOptions, ModelSource } from "../../../engine/index.js";
import {
  appendLogitBias,
  appendText,
  cacheFlags,
  computingFlags,
  decodeGpuLayersFlag,
  type FlagsOf,
  given,
  handoverFlags,
  helpText,
  outputFlags,
  parseNumber,
  toDecodeSource,
  toFlashAttention,
  toGpu,
  toTranslator,
} from "../../flags.js";

export type RunFlags = FlagsOf<typeof addRunCommand>;

const examples = `
Examples:
  overfill run                                        the demo pair: a story and questions about it
  overfill run --prefill full.gguf --decode small.gguf -p "Once upon a time"
  overfill run --prefill q8_0.gguf --decode q4_0.gguf -f prompt.txt --temp 0 --max-tokens 200
  cat prompt.txt | overfill run --prefill model.gguf --json

The prompt goes to the model as it is: no chat template is put around it. Text such as <|im_end|> in it becomes the
control token of that name. One line break at the end of a file or of stdin is dropped.

The answer goes to stdout, everything else to stderr. Exit status: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C.`;

export function addRunCommand(program: Command) {
  const command = program
    .command("run")
    .description("read a prompt with the prefill model and write the answer with the decode model")
    .addHelpText("after", helpText(examples))
    .optionsGroup("Models and prompt:")
    .option("--prefill <file>", "GGUF file of the full model, which reads (default: the demo pair)")
    .option("--decode <file>", "GGUF file of the small model, which writes (default: the prefill model)")
    .addOption(new Option("-p, --prompt <text>", "the prompt").conflicts("file"))
    .option("-f, --file <file>", 'file with the prompt, "-" for stdin (default: stdin if it is piped)')
    .optionsGroup("Answer:")
    .option("--max-tokens <n>", "end after n tokens", parseNumber)
    .option("--stop <text>", "end before this text; repeatable", appendText)
    .option(
      "--refresh-interval <n>",
      "let the full model read the answer again after every n tokens (default: never)",
      parseNumber,
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
    .addOption(new Option("--grammar <gbnf>", "GBNF grammar that the answer follows").conflicts("grammarFile"))
    .option("--grammar-file <file>", "file with such a grammar")
    .option("--ignore-eos", "go on past the end of the answer")
    .option("--special", "show control tokens in the text")
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
  const computing = computingFlags(command)
    .addOption(decodeGpuLayersFlag())
    .option("--context <tokens>", "room for prompt and answer (default: as trained, at most 4096)", parseNumber)
    .option("--batch <tokens>", "prompt tokens read at once (default: 512)", parseNumber);
  return outputFlags(handoverFlags(cacheFlags(computing)), {
    text: "the text",
    quiet: "no progress bar and no summary",
  });
}

/** Options of `loadPair`; with no model named, those of the demo pair. */
export function toLoadOptions(
  flags: RunFlags,
  demoPair: { readonly prefill: ModelSource; readonly decode: ModelSource },
): LoadPairOptions {
  const demo = flags.prefill === undefined;
  const decode = demo ? demoPair.decode.model : flags.decode;
  return given<LoadPairOptions>({
    prefill: given<ModelSource>({
      model: flags.prefill ?? demoPair.prefill.model,
      gpuLayers: flags.gpuLayers,
      mmap: flags.mmap,
    }),
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

/** Options of `decode`, but the grammar, which may come from a file. */
export function toDecodeOptions(flags: RunFlags): DecodeOptions {
  return given<DecodeOptions>({
    temperature: flags.temp ?? (flags.prefill === undefined ? 0 : undefined),
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
    grammar: flags.grammar,
    maxTokens: flags.maxTokens,
    stop: flags.stop,
    ignoreEos: flags.ignoreEos,
    special: flags.special,
    refreshInterval: flags.refreshInterval,
    logProbs: undefined,
    signal: undefined,
  });
}
