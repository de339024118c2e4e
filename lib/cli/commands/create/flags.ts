/** `overfill create`: its flags, and what they mean to the API. */

import { type Command, Option } from "@commander-js/extra-typings";
import type { CreateModelOptions } from "../../../train/index.js";
import { type FlagsOf, given, helpText, parseModelFile, parseNumber } from "../../flags.js";

export type CreateFlags = FlagsOf<typeof addCreateCommand>;

const explanation = `
The model has the llama architecture and knows nothing yet; overfill heal --mode full trains it.

Example:
  overfill create -o new.gguf --tokenizer full.gguf --hidden 128 --ffn 384 --layers 4 --heads 4 --kv-heads 2

Exit status: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C.`;

export function addCreateCommand(program: Command) {
  return program
    .command("create")
    .description("make a model with random weights, to be trained from scratch")
    .addHelpText("after", helpText(explanation))
    .requiredOption("-o, --out <file>", "where to write the model", parseModelFile)
    .requiredOption("--tokenizer <file>", "GGUF file of a model or vocabulary to take the tokenizer from")
    .requiredOption("--hidden <n>", "width of the residual stream", parseNumber)
    .requiredOption("--ffn <n>", "width of the feed-forward networks", parseNumber)
    .requiredOption("--layers <n>", "layers", parseNumber)
    .requiredOption("--heads <n>", "query heads of a layer", parseNumber)
    .requiredOption("--kv-heads <n>", "KV heads of a layer", parseNumber)
    .option("--head-size <n>", "width of a head (default: hidden / heads)", parseNumber)
    .option("--context <tokens>", "context size it will be trained for (default: 1024)", parseNumber)
    .option("--rope-base <x>", "base of the position encoding (default: 10000)", parseNumber)
    .option("--norm-epsilon <x>", "epsilon of the norms (default: 1e-5)", parseNumber)
    .option("--no-tied-output", "give it an output matrix apart from the embedding matrix")
    .addOption(
      new Option("--type <type>", "type of the matrices (default: f32)").choices(["f32", "f16", "bf16"] as const),
    )
    .option("--seed <n>", "seed of the weights (default: 1)", parseNumber)
    .option("--name <text>", "its general.name (default: made from its size)")
    .option("--json", "print one JSON object instead of the text")
    .option("--quiet", "no result");
}

/** Options of `createModel`, but the signal. */
export function toCreateOptions(flags: CreateFlags): CreateModelOptions {
  return given<CreateModelOptions>({
    out: flags.out,
    tokenizer: flags.tokenizer,
    hiddenSize: flags.hidden,
    feedForwardSize: flags.ffn,
    layers: flags.layers,
    heads: flags.heads,
    kvHeads: flags.kvHeads,
    headSize: flags.headSize,
    contextSize: flags.context,
    ropeBase: flags.ropeBase,
    normEpsilon: flags.normEpsilon,
    tiedOutput: flags.tiedOutput,
    type: flags.type,
    seed: flags.seed,
    name: flags.name,
    signal: undefined,
  });
}
