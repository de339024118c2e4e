/** `overfill heal`: its flags, and what they mean to the API. */

import { type Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import type { ModelSource } from "../../../engine/index.js";
import type { AnswerPromptsOptions } from "../../../eval/index.js";
import type { DistillationOptions, HealOptions, LoraOptions } from "../../../train/index.js";
import { UsageError } from "../../exit.js";
import {
  appendText,
  computingFlags,
  type FlagsOf,
  flagOfParameter,
  given,
  helpText,
  oneOf,
  outputFlags,
  parseModelFile,
  parseNumber,
  toGpu,
} from "../../flags.js";

export type HealFlags = FlagsOf<typeof addHealCommand>;

const explanation = `
The full model reads each prompt of the data, and the student learns to write the response on its KV cache. A line of
data is { "messages": [...] }, { "prompt": "...", "response": "..." } or { "text": "..." }; a file named *.txt is plain
text. Ctrl-C writes a checkpoint, and the same command with --resume goes on from it. With --train reader it is the full
model that learns, so that its cache suits a student that stays as it is; the result is then an adapter. --dry-run tells
what the training would take, and writes nothing.

Examples:
  overfill heal student.gguf --full full.gguf --data train.jsonl --eval held-out.jsonl -o healed.gguf
  overfill heal student.gguf --full full.gguf --prompts prompts.jsonl -o healed.gguf
  overfill heal student.gguf --mode sft --data train.jsonl -o alone.gguf --epochs 2 --learning-rate 1e-4
  overfill heal student.gguf --full full.gguf --data train.jsonl -o healed.gguf --distil-share 0.5 --lora-rank 8
  overfill heal student.gguf --full full.gguf --data train.jsonl -o healed.gguf --translator maps.gguf \\
    --train-translator --translator-out healed-maps.gguf
  overfill heal small.gguf --train reader --full full.gguf --data train.jsonl -o reader.gguf --learning-rate 1e-3
  overfill heal new.gguf --mode full --data corpus.txt -o trained.gguf --max-steps 2000 --learning-rate 1e-3

The result goes to stdout, the progress, the evaluations and lines that are skipped to stderr. Exit status: 0 done,
1 failed, 2 wrong usage, 130 Ctrl-C.`;

/** The API's default, for those who give the rest of it. */
const usualReaderRank = 16;

/** A file that a resumed training cuts back to its checkpoint, which cannot be done with stdout. */
function parseLogFile(text: string): string {
  if (text === "-") throw new InvalidArgumentError("Expected the name of a file: a resumed training goes on in it.");
  return text;
}

export function addHealCommand(program: Command) {
  const command = program
    .command("heal")
    .description("train a pruned model on the full model's KV cache, or any model by itself")
    .argument("[student]", "GGUF file of the model to train: the decode model of the pair")
    .addHelpText("after", helpText(explanation))
    .optionsGroup("Files:")
    .option("--data <file>", "what to train on: JSONL or *.txt")
    .addOption(
      new Option(
        "--prompts <file>",
        "prompts, to which the full model writes the responses first: JSONL, instead of --data",
      ).conflicts("data"),
    )
    .option("--answers-out <file>", "where these go (default: <out>.answers.jsonl)", parseModelFile)
    .option("--max-tokens <n>", "tokens of such a response at most (default: 256)", parseNumber)
    .option("--temp <t>", "temperature of such a response (default: 0.8)", parseNumber)
    .option("--stop <text>", "end such a response before this text; repeatable", appendText)
    .requiredOption("-o, --out <file>", "where to write the trained model, of both the student", parseModelFile)
    .option("--reader-out <file>", "where to write the reader, or its adapter, if both are trained", parseModelFile)
    .option("--prefill, --full <file>", "GGUF file of the full model, which reads the prompts or is distilled from")
    .option("--decode <file>", "the same as the argument")
    .option("--eval <file>", "what to evaluate on: JSONL or *.txt, held out from the data")
    .option("--checkpoint <file>", "where to write checkpoints (default: <out>.checkpoint)", parseModelFile)
    .option("--resume", "continue from the checkpoint, if there is one")
    .option("--dry-run", "measure a step, tell what the training would take, and write nothing")
    .option("--log <file>", "write a line of JSON for every step", parseLogFile)
    .option("--plot <file>", "draw the losses as SVG")
    .option("--translator <file>", "file that turns the full model's KV cache into the student's")
    .option("--translator-out <file>", "where to write the translator for the trained model", parseModelFile)
    .optionsGroup("What is learned:")
    .addOption(
      new Option(
        "--mode <mode>",
        "train on the full model's cache, the same model alone, or any model as a whole (default: overfill)",
      ).choices(["overfill", "sft", "full"] as const),
    )
    .addOption(
      new Option(
        "--train <side>",
        "train the student (writer), the full model for a student that stays as it is (reader), or both (default: writer)",
      ).choices(["writer", "reader", "both"] as const),
    )
    .option("--prompt-ratio <share>", "share of the prompt that the full model reads (default: 1)", parseNumber)
    .option(
      "--random-cutoff <share>",
      "the full model also reads up to this share of the response (default: 0)",
      parseNumber,
    )
    .option("--refresh-interval <tokens>", "the full model reads the response again after every n tokens", parseNumber)
    .option("--distil-share <share>", "share of the loss that is the full model's distribution", parseNumber)
    .option("--distil-temperature <t>", "temperature of both distributions (default: 2)", parseNumber)
    .option("--lora-rank <n>", "train low-rank products instead of the matrices", parseNumber)
    .option("--lora-alpha <x>", "a product counts alpha / rank (default: the rank)", parseNumber)
    .option(
      "--lora-target <pattern>",
      "tensors that get one; repeatable (default: all matrices of the layers)",
      appendText,
    )
    .option(
      "--reader-rank <n>",
      "rank of the reader's adapter, 0 for its weights themselves (default: 16)",
      parseNumber,
    )
    .option("--reader-alpha <x>", "a product of the reader's counts alpha / rank (default: the rank)", parseNumber)
    .option(
      "--reader-target <pattern>",
      "tensors of the reader that get one; repeatable (default: as above)",
      appendText,
    )
    .option("--freeze <pattern>", "tensors of the student not to train, with * and ?; repeatable", appendText)
    .option("--train-translator", "also train the translator's linear maps; needs --translator-out")
    .option(
      "--translator-type <type>",
      "type of the translator that is written: f32, f16, q8_0 or same (default: same)",
    )
    .option("--type <type>", "type of the model that is written: f32, f16, bf16, q8_0 or same (default: same)")
    .optionsGroup("Data and steps:")
    .option("--context <tokens>", "maximum tokens of an example (default: 2048, or as trained if less)", parseNumber)
    .option("--batch <n>", "examples of a step (default: 8)", parseNumber)
    .option("--micro-batch-tokens <n>", "tokens computed at once; fewer need less memory (default: 2048)", parseNumber)
    .addOption(
      new Option("--epochs <n>", "passes through the data (default: 1)").argParser(parseNumber).conflicts("maxSteps"),
    )
    .option("--max-steps <n>", "number of steps, instead of epochs", parseNumber)
    .option("--shuffle-window <lines>", "number of lines to shuffle among (default: 10000)", parseNumber)
    .option("--max-bad-lines <n>", "bad lines to skip before giving up (default: 10)", parseNumber)
    .option("--seed <n>", "seed of the data's order and of all random choices (default: 1)", parseNumber)
    .option("--checkpoint-interval <steps>", "steps between checkpoints (default: ten minutes)", parseNumber)
    .optionsGroup("Optimiser (AdamW):")
    .option("--learning-rate <x>", "peak learning rate (default: 2e-5)", parseNumber)
    .addOption(
      new Option("--schedule <kind>", "of the learning rate after the warm-up (default: cosine)").choices([
        "constant",
        "linear",
        "cosine",
      ] as const),
    )
    .option("--warm-up <share>", "share of the steps in which the rate rises (default: 0.01)", parseNumber)
    .option("--rate-floor <share>", "final learning rate as a share of the peak (default: 0)", parseNumber)
    .option("--weight-decay <x>", "weight decay of matrices (default: 0)", parseNumber)
    .option("--beta1 <x>", "decay of the first moment (default: 0.9)", parseNumber)
    .option("--beta2 <x>", "decay of the second moment (default: 0.95)", parseNumber)
    .option("--epsilon <x>", "added to the root of the second moment (default: 1e-8)", parseNumber)
    .option("--clip <norm>", "largest norm of the gradient, 0 for none (default: 1)", parseNumber)
    .optionsGroup("Evaluation:")
    .option(
      "--eval-interval <steps>",
      "steps between evaluations (default: at the beginning and at the end)",
      parseNumber,
    )
    .option("--patience <n>", "stop after n evaluations without a better loss (default: never)", parseNumber)
    .option("--max-eval-examples <n>", "examples that are evaluated (default: 256)", parseNumber);
  return outputFlags(
    computingFlags(command, {
      tiny: "a tiny student",
      layers: "layers of each model on the GPU, or all; 0 trains on the CPU (default: all)",
    }),
    { quiet: "no progress bar, no evaluations and no result" },
  );
}

/** As the API has it: no factors are asked for by their rank. */
function toReaderLora({ readerRank, readerAlpha, readerTarget }: HealFlags): HealOptions["readerLora"] {
  const others = given<Partial<LoraOptions>>({ alpha: readerAlpha, targets: readerTarget });
  const alone = Object.keys(others).length === 0;
  if (readerRank === 0 && !alone)
    throw new UsageError(
      "--reader-rank 0 trains the weights themselves: --reader-alpha and --reader-target mean nothing",
    );
  if (readerRank === 0) return false;
  return readerRank === undefined && alone ? undefined : { rank: readerRank ?? usualReaderRank, ...others };
}

/** Where the full model's own responses go, for the training to read. */
export const answersFileOf = ({ answersOut, out }: Pick<HealFlags, "answersOut" | "out">): string =>
  answersOut ?? `${out}.answers.jsonl`;

function dataOf(flags: HealFlags): string {
  if (flags.prompts !== undefined) return answersFileOf(flags);
  const alone = (["answersOut", "maxTokens", "temp", "stop"] as const).find((name) => flags[name] !== undefined);
  if (alone !== undefined) throw new UsageError(`${flagOfParameter(alone)} is for responses to --prompts`);
  if (flags.data === undefined) throw new UsageError("name what to train on with --data, or --prompts to be answered");
  return flags.data;
}

/** Options of `answerPrompts` for `--prompts`, but the signal and the callbacks; undefined without them. */
export function toHealAnswers(flags: HealFlags): AnswerPromptsOptions | undefined {
  if (flags.prompts === undefined) return undefined;
  if (flags.dryRun)
    throw new UsageError("--dry-run tries a step on --data; have the prompts answered first, by `overfill answer`");
  if (flags.full === undefined) throw new UsageError("--prompts needs --full: name the model that answers them");
  return given<Pick<AnswerPromptsOptions, AnswerOption>>({
    model: given<ModelSource>({ model: flags.full, gpuLayers: flags.gpuLayers, mmap: flags.mmap }),
    data: flags.prompts,
    out: answersFileOf(flags),
    // What is there stays where the training goes on with it.
    resume: flags.resume,
    maxTokens: flags.maxTokens,
    temperature: flags.temp,
    stop: flags.stop,
    seed: flags.seed,
    maxBadLines: flags.maxBadLines,
    contextSize: flags.context,
    threads: flags.threads,
    gpu: toGpu(flags.gpu),
  });
}

type AnswerOption =
  | ("model" | "data" | "out" | "resume" | "maxTokens" | "temperature" | "stop")
  | ("seed" | "maxBadLines" | "contextSize" | "threads" | "gpu");

/** Options of `heal`, but the signal and the callbacks. */
export function toHealOptions(studentArgument: string | undefined, flags: HealFlags): HealOptions {
  const student = oneOf("decode", studentArgument, flags.decode);
  if (student === undefined) throw new UsageError("missing required argument 'student'");
  const source = (model: string) => given<ModelSource>({ model, gpuLayers: flags.gpuLayers, mmap: flags.mmap });
  const distillation = given<DistillationOptions>({ share: flags.distilShare, temperature: flags.distilTemperature });
  // Without a rank the API tells that it is missing.
  const lora = given<Partial<LoraOptions>>({ rank: flags.loraRank, alpha: flags.loraAlpha, targets: flags.loraTarget });
  return given<HealOptions>({
    mode: flags.mode,
    train: flags.train,
    full: flags.full === undefined ? undefined : source(flags.full),
    student: source(student),
    data: dataOf(flags),
    evalData: flags.eval,
    out: flags.out,
    readerOut: flags.readerOut,
    type: flags.type?.toLowerCase() as HealOptions["type"],
    checkpoint: flags.checkpoint,
    resume: flags.resume,
    log: flags.log,
    translator: flags.translator,
    trainTranslator: flags.trainTranslator,
    translatorOut: flags.translatorOut,
    translatorType: flags.translatorType?.toLowerCase() as HealOptions["translatorType"],
    promptRatio: flags.promptRatio,
    randomCutoff: flags.randomCutoff,
    refreshInterval: flags.refreshInterval,
    distillation: Object.keys(distillation).length > 0 ? distillation : undefined,
    lora: Object.keys(lora).length > 0 ? (lora as LoraOptions) : undefined,
    readerLora: toReaderLora(flags),
    freeze: flags.freeze,
    contextSize: flags.context,
    batchSize: flags.batch,
    microBatchTokens: flags.microBatchTokens,
    epochs: flags.epochs,
    maxSteps: flags.maxSteps,
    learningRate: flags.learningRate,
    schedule: flags.schedule,
    warmUp: flags.warmUp,
    rateFloor: flags.rateFloor,
    weightDecay: flags.weightDecay,
    beta1: flags.beta1,
    beta2: flags.beta2,
    epsilon: flags.epsilon,
    clip: flags.clip,
    seed: flags.seed,
    shuffleWindow: flags.shuffleWindow,
    maxBadLines: flags.maxBadLines,
    evalInterval: flags.evalInterval,
    patience: flags.patience,
    maxEvalExamples: flags.maxEvalExamples,
    checkpointInterval: flags.checkpointInterval,
    threads: flags.threads,
    gpu: toGpu(flags.gpu),
    onProgress: undefined,
    onBadLine: undefined,
    onEvaluation: undefined,
    signal: undefined,
  });
}
