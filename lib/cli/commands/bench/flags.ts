/** `overfill bench`: its flags, and what they mean to the API. */

import type { Command } from "@commander-js/extra-typings";
import type { ModelSource } from "../../../engine/index.js";
import type { BenchOptions } from "../../../eval/index.js";
import { adapterFlags } from "../../adapter-flags.js";
import { UsageError } from "../../exit.js";
import { type FlagsOf, given, helpText, outputFlags, parseNumber, parseNumbers } from "../../flags.js";
import { pairComputingFlags, toLoadOptions } from "../../pair-flags.js";

export type BenchFlags = FlagsOf<typeof addBenchCommand>;

const explanation = `
Is a pair worth it, on this machine and with your prompts? The full model alone, the small one alone, and the pair with
every quality answer the same prompts in turn. A line of data is a chat, a prompt with a response, a text, or a question
with answers; a file named *.txt is plain text. Without data the prompts are pieces of this package's documentation, and
without models the demo pair answers its own questions.

Examples:
  overfill bench --quick
  overfill bench --prefill full.gguf --decode small.gguf --data prompts.jsonl
  overfill bench --prefill q8_0.gguf --decode q4_0.gguf --prompt-tokens 512,4096 --context 8192 --plot bench.svg

Nothing else should compute meanwhile. The result goes to stdout, the progress and lines that are skipped to stderr. Exit
status: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C.`;

export function addBenchCommand(program: Command) {
  const command = program
    .command("bench")
    .description("measure on this machine whether two files are worth being a pair")
    .addHelpText("after", helpText(explanation))
    .optionsGroup("Models and prompts:")
    .option("--prefill <file>", "GGUF file of the full model (default: the demo pair)")
    .option("--decode <file>", "GGUF file of the small model");
  const measuring = adapterFlags(command)
    .option("--data <file>", "prompts, with responses where there are some: JSONL or *.txt")
    .option("--max-examples <n>", "prompts of the data, from short to long (default: 8)", parseNumber)
    .option("--max-bad-lines <n>", "bad lines to skip before giving up (default: 10)", parseNumber)
    .option("--prompt-tokens <n>", "without data: lengths of prompts, a list (default: 64,256,1024)", parseNumbers)
    .optionsGroup("What is measured:")
    .option("--max-tokens <n>", "tokens of an answer at most (default: 64)", parseNumber)
    .option("--temp <t>", "temperature of the answers that are timed (default: 0)", parseNumber)
    .option("--rounds <n>", "answers to each prompt in each way (default: 3)", parseNumber)
    .option("--acceptance <shares>", "qualities between fast and exact, a list (default: 0.3)", parseNumbers)
    .option("--refresh <tokens>", "also the pair with a refresh after every n tokens, a list", parseNumbers)
    .option("--quick", "two short rounds of a few short prompts: seconds, and figures that say little");
  return outputFlags(pairComputingFlags(measuring))
    .option("-o, --out <file>", "also write the report as JSON; - is stdout")
    .option("--plot <file>", "draw speed against agreement as SVG");
}

/** What is measured with `--quick`, where nothing else is said. */
const quick = { maxExamples: 4, promptLengths: [64], maxTokens: 24, rounds: 2 } as const;

export interface DemoModels {
  readonly prefill: ModelSource;
  readonly decode: ModelSource;
}

/** Options of `bench`, but the signal and the callbacks. Throws a UsageError for one model without the other. */
export function toBenchOptions(flags: BenchFlags, demoPair: DemoModels, demoPrompts: readonly string[]): BenchOptions {
  const demo = flags.prefill === undefined;
  const isAdapted = flags.decode === undefined && flags.decodeAdapter !== undefined;
  if (demo !== (flags.decode === undefined) && !isAdapted)
    throw new UsageError(`--${demo ? "prefill" : "decode"} is missing: a pair has two models`);
  if (flags.data !== undefined && flags.promptTokens !== undefined)
    throw new UsageError("--prompt-tokens is for prompts that are made: the data has prompts of its own");
  const { prefill, decode, ...loading } = toLoadOptions(flags, demoPair);
  const asks = demo && flags.data === undefined && flags.promptTokens === undefined;
  const most = flags.quick ? quick : undefined;
  return {
    ...(loading as Omit<BenchOptions, "prefill" | "decode">),
    prefill,
    decode: decode as NonNullable<BenchOptions["decode"]>,
    ...given<Partial<BenchOptions>>({
      data: flags.data,
      prompts: asks ? demoPrompts.slice(0, most?.maxExamples) : undefined,
      maxExamples: flags.maxExamples ?? most?.maxExamples,
      promptLengths: flags.promptTokens ?? most?.promptLengths,
      maxTokens: flags.maxTokens ?? most?.maxTokens,
      temperature: flags.temp,
      rounds: flags.rounds ?? most?.rounds,
      acceptances: flags.acceptance,
      refreshIntervals: flags.refresh,
      maxBadLines: flags.maxBadLines,
    }),
  };
}
