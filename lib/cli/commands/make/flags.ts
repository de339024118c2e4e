/** `overfill make`: its flags, and what they mean to the API. */

import { type Command, Option } from "@commander-js/extra-typings";
import type { ModelSource } from "../../../engine/index.js";
import type { MakeAnswering, MakeHealing, MakePairOptions } from "../../../make/index.js";
import {
  appendText,
  computingFlags,
  type FlagsOf,
  given,
  helpText,
  outputFlags,
  parseModelFile,
  parseNumber,
  toGpu,
} from "../../flags.js";

export type MakeFlags = FlagsOf<typeof addMakeCommand>;

const explanation = `
Measures this machine, has the full model answer the prompts, measures which of its parts matter, chooses widths and type
for what is wanted, prunes, heals, evaluates, quantises and evaluates again. The folder is then a pair for overfill run,
chat and serve; card.md in it tells how it was made and what it is worth.

Whatever ends a run (Ctrl-C, a kill, a full disk), the same command goes on where it was. What it needs meanwhile is in the
folder's work, which can be removed when all is done.

Examples:
  overfill make full.gguf -o pair/ --speed-up 2 --data prompts.jsonl --dry-run
  overfill make full.gguf -o pair/ --speed-up 2 --data prompts.jsonl
  overfill make full.gguf -o pair/ --target-size 1.0B --quantize q4_k_m --data prompts.jsonl --rounds 2
  overfill make full.gguf -o pair/ --quantize q4_0 --data prompts.jsonl

The result goes to stdout, the progress and lines that are skipped to stderr. Exit status: 0 done, 1 failed, 2 wrong usage,
130 Ctrl-C.`;

export function addMakeCommand(program: Command) {
  const command = program
    .command("make")
    .description("make a measured pair of a full model: prune it, heal the child, and say what it is worth")
    .argument("<model>", "GGUF file of the full model")
    .addHelpText("after", helpText(explanation))
    .optionsGroup("Files:")
    .requiredOption("-o, --out <folder>", "folder of the pair", parseModelFile)
    .requiredOption("--data <file>", "prompts: JSONL with a prompt or messages a line")
    .option("--text <file>", "text to measure importance on (default: the prompts with their answers)")
    .option("--dry-run", "tell sizes and times, and make nothing")
    .optionsGroup("What is wanted:")
    .option("--speed-up <times>", "how many times as fast as the full model the small one is to write", parseNumber)
    .option("--target-size <n>", "parameters of the small model at most, such as 1.0B")
    .option("--target-bytes <size>", "bytes of its weights at most, such as 900MB")
    .option("--quantize <type>", "type of the small model; by itself: no pruning, no healing")
    .optionsGroup("Answers of the full model:")
    .option("--keep-responses", "learn the data's own responses; the full model writes none")
    .option("--answers <n>", "answers to each prompt (default: 1)", parseNumber)
    .option("--max-tokens <n>", "tokens of an answer at most (default: 256)", parseNumber)
    .option("--temp <t>", "temperature of the answers (default: 0.8)", parseNumber)
    .option("--stop <text>", "end an answer before this text; repeatable", appendText)
    .option("--sessions <n>", "answers that are written at once (default: 8)", parseNumber)
    .option("--keep-cut", "learn from answers that were cut off, too")
    .optionsGroup("Pruning and healing:")
    .option("--held-out <n>", "prompts that are not learned from (default: a tenth, at most 256)", parseNumber)
    .option("--window <tokens>", "tokens of a sample of importance (default: 512, or less)", parseNumber)
    .option("--multiple <n>", "widths are multiples of this (default: as overfill prune has it)", parseNumber)
    .addOption(
      new Option("--rounds <n>", "2: prune half of the way, heal, prune the rest, heal (default: 1)").argParser(
        parseNumber,
      ),
    )
    .addOption(
      new Option("--epochs <n>", "passes through the answers (default: 1)")
        .argParser(parseNumber)
        .conflicts("maxSteps"),
    )
    .option("--max-steps <n>", "number of steps, instead of epochs", parseNumber)
    .option("--batch <n>", "examples of a step (default: 8)", parseNumber)
    .option("--learning-rate <x>", "peak learning rate (default: 2e-5)", parseNumber)
    .option("--distil-share <share>", "share of the loss that is the full model's distribution", parseNumber)
    .option("--checkpoint-interval <steps>", "steps between checkpoints (default: ten minutes)", parseNumber)
    .option("--seed <n>", "seed of all draws (default: 1)", parseNumber)
    .option("--max-bad-lines <n>", "bad lines to skip before giving up (default: 10)", parseNumber)
    .option("--context <tokens>", "room for prompt and answer (default: as trained, at most 4096)", parseNumber);
  return outputFlags(computingFlags(command));
}

/** Options of `makePair`, but the signal and the callbacks. */
export function toMakeOptions(model: string, flags: MakeFlags): MakePairOptions {
  const answering = given<MakeAnswering>({
    answers: flags.answers,
    maxTokens: flags.maxTokens,
    temperature: flags.temp,
    topK: undefined,
    topP: undefined,
    minP: undefined,
    stop: flags.stop,
    sessions: flags.sessions,
    keepCut: flags.keepCut,
  });
  const healing = given<MakeHealing>({
    epochs: flags.epochs,
    maxSteps: flags.maxSteps,
    batchSize: flags.batch,
    microBatchTokens: undefined,
    contextSize: undefined,
    learningRate: flags.learningRate,
    schedule: undefined,
    warmUp: undefined,
    weightDecay: undefined,
    distillation: flags.distilShare === undefined ? undefined : { share: flags.distilShare },
    lora: undefined,
    checkpointInterval: flags.checkpointInterval,
  });
  return given<MakePairOptions>({
    model: given<ModelSource>({ model, gpuLayers: flags.gpuLayers, mmap: flags.mmap }),
    out: flags.out,
    data: flags.data,
    speedUp: flags.speedUp,
    targetSize: flags.targetSize,
    targetBytes: flags.targetBytes,
    quantize: flags.quantize?.toLowerCase() as MakePairOptions["quantize"],
    responses: flags.keepResponses ? "keep" : undefined,
    answering: Object.keys(answering).length > 0 ? answering : undefined,
    healing: Object.keys(healing).length > 0 ? healing : undefined,
    heldOut: flags.heldOut,
    text: flags.text,
    window: flags.window,
    multiple: flags.multiple,
    // Other numbers are refused by the API, with what would be right.
    rounds: flags.rounds as MakePairOptions["rounds"],
    contextSize: flags.context,
    seed: flags.seed,
    maxBadLines: flags.maxBadLines,
    threads: flags.threads,
    gpu: toGpu(flags.gpu),
    onProgress: undefined,
    onBadLine: undefined,
    signal: undefined,
  });
}
