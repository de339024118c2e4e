/** `overfill importance`: its flags, and what they mean to the API. */

import type { Command } from "@commander-js/extra-typings";
import type { MeasureImportanceMatrixOptions, MeasureImportanceOptions } from "../../../prune/index.js";
import { UsageError } from "../../exit.js";
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

export type ImportanceFlags = FlagsOf<typeof addImportanceCommand>;

const explanation = `
The model reads the texts; how much each of its channels, heads and layers matters is written to a file, from which
overfill prune --importance makes models of any size. overfill inspect describes the file.

With --imatrix it is the importance of the weights' columns that is measured, for overfill quantize --importance: another
measurement, in the file format of llama.cpp's llama-imatrix.

Examples:
  overfill importance full.gguf -o full.importance.gguf --text a.txt --text b.txt
  overfill importance full.gguf -o both.importance.gguf --text c.txt --merge full.importance.gguf
  overfill importance full.gguf --imatrix -o full.imatrix.gguf --text a.txt

The result goes to stdout, the progress to stderr. Exit status: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C.`;

export function addImportanceCommand(program: Command) {
  const command = program
    .command("importance")
    .description("measure on texts how much the parts of a model matter, for overfill prune and quantize")
    .argument("<model>", "GGUF file of the full model")
    .addHelpText("after", helpText(explanation))
    .optionsGroup("Files:")
    .requiredOption("-o, --out <file>", "where to write the importance", parseModelFile)
    .option("--text <file>", "text of the kind that the model is for; repeatable", appendText)
    .option("--merge <file>", "importance of the same model to add; repeatable", appendText)
    .option("--imatrix", "measure an importance matrix, for overfill quantize")
    .optionsGroup("Samples:")
    .option("--window <tokens>", "tokens of a sample (default: 512, or as trained if less)", parseNumber)
    .option("--windows-per-batch <n>", "samples read at once (default: as many as make 512 tokens)", parseNumber)
    .option("--max-samples <n>", "measure at most n samples of each text (default: all)", parseNumber);
  return outputFlags(computingFlags(command, { layers: "layers of the model on the GPU, or all (default: all)" }));
}

/** Options of `measureImportanceMatrix`, but the signal and the progress. Throws a UsageError for flags of the other one. */
export function toMatrixOptions(model: string, flags: ImportanceFlags): MeasureImportanceMatrixOptions {
  if (flags.windowsPerBatch !== undefined)
    throw new UsageError("--windows-per-batch cannot be used with --imatrix, which reads one sample at a time");
  return given<MeasureImportanceMatrixOptions>({
    model,
    gpuLayers: flags.gpuLayers,
    mmap: flags.mmap,
    out: flags.out,
    text: flags.text,
    merge: flags.merge,
    window: flags.window,
    maxSamples: flags.maxSamples,
    threads: flags.threads,
    gpu: toGpu(flags.gpu),
    onProgress: undefined,
    signal: undefined,
  });
}

/** Options of `measureImportance`, but the signal and the progress. */
export function toImportanceOptions(model: string, flags: ImportanceFlags): MeasureImportanceOptions {
  return given<MeasureImportanceOptions>({
    model,
    gpuLayers: flags.gpuLayers,
    mmap: flags.mmap,
    out: flags.out,
    text: flags.text,
    merge: flags.merge,
    window: flags.window,
    windowsPerBatch: flags.windowsPerBatch,
    maxSamples: flags.maxSamples,
    threads: flags.threads,
    gpu: toGpu(flags.gpu),
    onProgress: undefined,
    signal: undefined,
  });
}
