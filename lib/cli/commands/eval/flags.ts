/** `overfill eval`: its flags, and what they mean to the API. */

import { type Command, Option } from "@commander-js/extra-typings";
import type { DecodeQuality, PrefillSource } from "../../../engine/index.js";
import type { EvaluateOptions, MetricName } from "../../../eval/index.js";
import { adapterFlags, decodeFileOf } from "../../adapter-flags.js";
import {
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
  parseNumbers,
  parseQuality,
  toDecodeSource,
  toFlashAttention,
  toGpu,
  toTranslator,
} from "../../flags.js";

export type EvalFlags = FlagsOf<typeof addEvalCommand>;

const explanation = `
The full model alone, the decode model alone, two-stage inference and two-stage with refreshes, side by side on the same
examples. A line of data is a chat, a prompt with a response, a text, a question with answers, or a question with choices;
a file named *.txt is plain text. Figures come with confidence intervals.

Examples:
  overfill eval --prefill full.gguf --decode small.gguf --data held-out.jsonl
  overfill eval --prefill full.gguf --decode small.gguf --data questions.jsonl --refresh 8,32 --max-tokens 64
  overfill eval --prefill full.gguf --decode small.gguf --data arc.jsonl --out report.json --plot accuracy.svg

The result goes to stdout, the progress and lines that are skipped to stderr. Exit status: 0 done, 1 failed, 2 wrong
usage, 130 Ctrl-C.`;

export function addEvalCommand(program: Command) {
  const models = program
    .command("eval")
    .description("measure what two-stage inference is worth on a pair and data of your own")
    .addHelpText("after", helpText(explanation))
    .optionsGroup("Models and data:")
    .requiredOption("--prefill <file>", "GGUF file of the full model")
    .option("--decode <file>", "GGUF file of the small model (default: the full model, a pair of one)");
  const command = adapterFlags(models)
    .requiredOption("--data <file>", "what to evaluate on: JSONL or *.txt")
    .addOption(
      new Option(
        "--task <task>",
        "predict given responses, generate answers, or choose (default: what the data is for)",
      ).choices(["responses", "generate", "choices"] as const),
    )
    .option("--max-examples <n>", "examples, from the beginning (default: all)", parseNumber)
    .option("--max-bad-lines <n>", "bad lines to skip before giving up (default: 10)", parseNumber)
    .optionsGroup("What is measured:")
    .option(
      "--refresh <tokens>",
      "also two-stage with a refresh after every n tokens; a list such as 8,32",
      parseNumbers,
    )
    .option(
      "--refresh-budget <shares>",
      "also answers with such a budget for refreshes; a list such as 0.05,0.1",
      parseNumbers,
    )
    .option("--quality <list>", "also answers of such a quality; a list such as exact,0.3", parseQualities)
    .option("--metrics <names>", "metrics to report, with commas between them (default: all of the task's)", parseNames)
    .option("--max-tokens <n>", "maximum tokens of a generated answer (default: 256)", parseNumber)
    .option("--stop <text>", "end a generated answer before this text; repeatable", appendText)
    .option(
      "--window <tokens>",
      "size of the windows that plain text is read in (default: 512, or the context)",
      parseNumber,
    )
    .option("--timed-tokens <n>", "tokens to write for timing each row; 0 for no timing (default: 32)", parseNumber)
    .optionsGroup("Confidence intervals:")
    .option("--confidence <share>", "confidence level of the intervals (default: 0.95)", parseNumber)
    .option("--resamples <n>", "draws of the bootstrap (default: 1000)", parseNumber)
    .option("--seed <n>", "seed of the bootstrap (default: 1)", parseNumber);
  const computing = computingFlags(command)
    .addOption(decodeGpuLayersFlag())
    .option("--context <tokens>", "room for prompt and response (default: as trained, at most 4096)", parseNumber)
    .option("--batch <tokens>", "prompt tokens read at once (default: 512)", parseNumber);
  return outputFlags(handoverFlags(cacheFlags(computing)))
    .option("-o, --out <file>", "also write the report as JSON; - is stdout")
    .option("--plot <file>", "draw the figures as SVG: by position in the response, or the scores")
    .option("--samples <file>", "write a line of JSON for each row's result on each example");
}

/** Names with commas between them; whether they are metrics is the API's to say. */
function parseNames(text: string): readonly MetricName[] {
  return text.split(",") as MetricName[];
}

/** Qualities with commas between them. */
function parseQualities(text: string): readonly DecodeQuality[] {
  return text.split(",").map(parseQuality);
}

/** Options of `evaluate`, but the signal and the callbacks. */
export function toEvaluateOptions(flags: EvalFlags): EvaluateOptions {
  const decode = decodeFileOf(flags.prefill, flags);
  return given<Omit<EvaluateOptions, "onProgress" | "onBadLine" | "onExample" | "signal">>({
    prefill: given<PrefillSource>({
      model: flags.prefill,
      gpuLayers: flags.gpuLayers,
      mmap: flags.mmap,
      adapters: flags.prefillAdapter,
    }),
    decode: decode === undefined ? undefined : toDecodeSource(decode, flags),
    data: flags.data,
    task: flags.task,
    refreshIntervals: flags.refresh,
    refreshBudgets: flags.refreshBudget,
    qualities: flags.quality,
    metrics: flags.metrics,
    maxExamples: flags.maxExamples,
    maxTokens: flags.maxTokens,
    stop: flags.stop,
    windowSize: flags.window,
    timedTokens: flags.timedTokens,
    confidence: flags.confidence,
    resamples: flags.resamples,
    seed: flags.seed,
    maxBadLines: flags.maxBadLines,
    translator: toTranslator(flags),
    handover: flags.handover,
    implementation: flags.implementation,
    contextSize: flags.context,
    batchSize: flags.batch,
    cacheTypeK: flags.cacheTypeK,
    cacheTypeV: flags.cacheTypeV,
    flashAttention: toFlashAttention(flags.flashAttention),
    threads: flags.threads,
    gpu: toGpu(flags.gpu),
  });
}
