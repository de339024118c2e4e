/** `overfill answer`: its flags, and what they mean to the API. */

import { type Command, InvalidArgumentError } from "@commander-js/extra-typings";
import type { PrefillSource } from "../../../engine/index.js";
import type { AnswerPromptsOptions } from "../../../eval/index.js";
import {
  appendText,
  computingFlags,
  type FlagsOf,
  given,
  helpText,
  outputFlags,
  parseNumber,
  toGpu,
} from "../../flags.js";

export type AnswerFlags = FlagsOf<typeof addAnswerCommand>;

const explanation = `
The full model answers prompts, and the file of its answers is data for "overfill heal": a small model then learns the full
model's own words. A line of data is { "prompt": "..." } or { "messages": [...] }, and a response in it is passed over. Plain
text is cut into windows that the model goes on with, or that it is asked about with --template. Answers that were cut off,
nearly repeat each other or are empty are left out and counted. Whatever ends a run, the same command with --resume goes on.

Examples:
  overfill answer --model full.gguf --data prompts.jsonl -o train.jsonl --answers 4
  overfill answer --model full.gguf --data prompts.jsonl -o train.jsonl --answers 4 --resume
  overfill answer --model base.gguf --from-text book.txt -o train.jsonl --prompt-tokens 256
  overfill answer --model chat.gguf --from-text book.txt -o train.jsonl --template "What is this about? {text}"

The result goes to stdout, the progress and lines that are skipped to stderr. Exit status: 0 done, 1 failed, 2 wrong
usage, 130 Ctrl-C.`;

/** A file that a resumed run cuts back to its last whole prompt, which cannot be done with stdout. */
function parseAnswerFile(text: string): string {
  if (text === "-") throw new InvalidArgumentError("Expected the name of a file: a resumed run goes on in it.");
  return text;
}

export function addAnswerCommand(program: Command) {
  const command = program
    .command("answer")
    .description("have the full model write answers to prompts, as data to heal a small model with")
    .addHelpText("after", helpText(explanation))
    .optionsGroup("Files:")
    .requiredOption("--model <file>", "GGUF file of the model that answers")
    .requiredOption("-o, --out <file>", "where to write the answers, as JSONL", parseAnswerFile)
    .option("--data <file>", "prompts, as JSONL")
    .option("--from-text <file>", "plain text to make prompts of; repeatable", appendText)
    .option("--resume", "continue what was interrupted, if there is anything")
    .optionsGroup("Prompts:")
    .option("--prompt-tokens <n>", "tokens of a window of plain text (default: 128)", parseNumber)
    .option("--template <text>", "ask about each window, which takes the place of {text}, instead of going on with it")
    .option("--max-bad-lines <n>", "bad lines to skip before giving up (default: 10)", parseNumber)
    .optionsGroup("Answers:")
    .option("--answers <n>", "answers to each prompt (default: 1)", parseNumber)
    .option("--max-tokens <n>", "maximum tokens of an answer (default: 256)", parseNumber)
    .option("--stop <text>", "end an answer before this text; repeatable", appendText)
    .option("--temp <t>", "temperature; 0 takes the most likely token (default: 0.8)", parseNumber)
    .option("--top-k <k>", "sample from the k most likely tokens; 0 is off (default: 40)", parseNumber)
    .option("--top-p <p>", "sample from the most likely tokens of this probability (default: 0.95)", parseNumber)
    .option("--min-p <p>", "drop tokens below this share of the most likely one's (default: 0.05)", parseNumber)
    .option("--seed <n>", "seed of all draws (default: 1)", parseNumber)
    .option("--deterministic", "the same bytes however many are written at once; slower")
    .optionsGroup("What stays:")
    .option("--keep-cut", "keep answers that --max-tokens or the context has cut off")
    .option("--keep-duplicates", "keep answers that nearly repeat another one of their prompt")
    .option(
      "--similarity <share>",
      "common pieces from which on answers repeat each other (default: 0.8)",
      parseNumber,
    );
  const computing = computingFlags(command, { layers: "layers of the model on the GPU, or all (default: all)" })
    .option("--sessions <n>", "answers written at once (default: 8)", parseNumber)
    .option("--context <tokens>", "room for prompt and answer (default: as trained, at most 4096)", parseNumber)
    .option("--batch <tokens>", "prompt tokens read at once (default: 512)", parseNumber);
  return outputFlags(computing);
}

/** Options of `answerPrompts`, but the signal and the callbacks. */
export function toAnswerOptions(flags: AnswerFlags): AnswerPromptsOptions {
  return given<Omit<AnswerPromptsOptions, "onProgress" | "onBadLine" | "signal">>({
    model: given<PrefillSource>({ model: flags.model, gpuLayers: flags.gpuLayers, mmap: flags.mmap }),
    data: flags.data,
    fromText: flags.fromText,
    promptTokens: flags.promptTokens,
    template: flags.template,
    out: flags.out,
    resume: flags.resume,
    answers: flags.answers,
    maxTokens: flags.maxTokens,
    stop: flags.stop,
    temperature: flags.temp,
    topK: flags.topK,
    topP: flags.topP,
    minP: flags.minP,
    seed: flags.seed,
    deterministic: flags.deterministic,
    keepCut: flags.keepCut,
    keepDuplicates: flags.keepDuplicates,
    similarity: flags.similarity,
    maxBadLines: flags.maxBadLines,
    sessions: flags.sessions,
    contextSize: flags.context,
    batchSize: flags.batch,
    threads: flags.threads,
    gpu: toGpu(flags.gpu),
  });
}
