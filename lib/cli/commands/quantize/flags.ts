/** `overfill quantize`: its flags, and what they mean to the API. */

import { type Command, InvalidArgumentError } from "@commander-js/extra-typings";
import type { QuantizationType, QuantizeOptions, TensorType } from "../../../prune/index.js";
import { UsageError } from "../../exit.js";
import { type FlagsOf, given, helpText, outputFlags, parseModelFile, threadsFlag } from "../../flags.js";

export type QuantizeFlags = FlagsOf<typeof addQuantizeCommand>;

const explanation = `
Every tensor gets the type that llama.cpp's rules for the quantisation choose, and the file is the one that llama-quantize
writes. The KV cache keeps its shape, so a model and its quantisation are a pair that shares it. An importance matrix makes
the result better at the same size, and types of about two bits need one: overfill importance --imatrix measures it.

Examples:
  overfill quantize full.gguf -o decode.gguf q4_k_m
  overfill importance full.gguf --imatrix -o full.imatrix.gguf --text calibration.txt
  overfill quantize full.gguf -o decode.gguf iq2_xs --importance full.imatrix.gguf
  overfill quantize full.gguf -o decode.gguf q4_k_m --tensor-type attn_v=q8_0 --tensor-type 'blk\\.[01]\\.=q6_k'

The result goes to stdout, the progress to stderr. Exit status: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C.`;

export function addQuantizeCommand(program: Command) {
  const command = program
    .command("quantize")
    .description("write a model in a coarser type: smaller and faster, without pruning")
    .argument("[model]", "GGUF file of the model")
    .argument(
      "[type]",
      "type of the model that is written: q8_0, q4_k_m, iq2_xs, ...; copy leaves the types as they are",
    )
    .addHelpText("after", helpText(explanation))
    .optionsGroup("Files:")
    .option("-o, --out <file>", "where to write the model", parseModelFile)
    .option("--importance <file>", "importance matrix, of overfill importance --imatrix or of llama-imatrix")
    .option("--max-part-size <n>", "split the model into files of at most this size, such as 2GB (default: one file)")
    .option("--types", "list the types, and exit")
    .optionsGroup("Types of tensors:")
    .option(
      "--tensor-type <pattern=type>",
      "type of the tensors with a name in which the regular expression is found; repeatable, the first that matches counts",
      appendTensorType,
    )
    .option("--output-tensor-type <type>", "type of output.weight")
    .option("--token-embedding-type <type>", "type of the token embeddings")
    .option("--leave-output-tensor", "leave output.weight as it is")
    .option("--pure", "one type for all tensors, instead of finer ones where it matters most")
    .option("--allow-requantize", "quantise what is quantised already, which loses more than quantising the original")
    .optionsGroup("Computing:")
    .addOption(threadsFlag());
  return outputFlags(command);
}

/** One more `PATTERN=TYPE`. A pattern may have an equals sign in it; a type has none. */
function appendTensorType(
  text: string,
  previous: Readonly<Record<string, TensorType>> | undefined,
): Readonly<Record<string, TensorType>> {
  const at = text.lastIndexOf("=");
  const [pattern, type] = [text.slice(0, at), text.slice(at + 1)];
  if (at < 1 || type === "")
    throw new InvalidArgumentError("Expected a pattern, an equals sign and a type, such as ffn_down=q6_k.");
  if (previous !== undefined && Object.hasOwn(previous, pattern))
    throw new InvalidArgumentError(`The pattern ${pattern} is there twice, and its first type counts.`);
  return { ...previous, [pattern]: type.toLowerCase() as TensorType };
}

/** As llama.cpp's tools write it, in capitals, a type is the same. The API tells one that there is not. */
const lower = <Type extends string>(text: string | undefined): Type | undefined =>
  text?.toLowerCase() as Type | undefined;

/** Options of `quantize`, but the signal and the progress. Throws a UsageError where something is missing. */
export function toQuantizeOptions(
  model: string | undefined,
  type: string | undefined,
  flags: QuantizeFlags,
): QuantizeOptions {
  if (model === undefined) throw new UsageError("missing required argument 'model'");
  if (type === undefined)
    throw new UsageError("missing required argument 'type': overfill quantize --types lists them");
  if (flags.out === undefined) throw new UsageError("required option '-o, --out <file>' not specified");
  return given<QuantizeOptions>({
    model,
    out: flags.out,
    type: type.toLowerCase() as QuantizationType,
    importance: flags.importance,
    maxPartBytes: flags.maxPartSize,
    tensorTypes: flags.tensorType,
    outputTensorType: lower<TensorType>(flags.outputTensorType),
    tokenEmbeddingType: lower<TensorType>(flags.tokenEmbeddingType),
    keepOutputTensor: flags.leaveOutputTensor,
    pure: flags.pure,
    allowRequantize: flags.allowRequantize,
    threads: flags.threads,
    onProgress: undefined,
    signal: undefined,
  });
}
