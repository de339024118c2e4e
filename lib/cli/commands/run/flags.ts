/** `overfill run`: its flags, and what they mean to the API. */

import { type Command, Option } from "@commander-js/extra-typings";
import type { SendOptions } from "../../../chat/index.js";
import type { DecodeOptions } from "../../../engine/index.js";
import { chatFlags } from "../../chat-flags.js";
import { UsageError } from "../../exit.js";
import { type FlagsOf, given, helpText, outputFlags } from "../../flags.js";
import { pairComputingFlags, pairFlags, samplingFlags, toSamplingOptions } from "../../pair-flags.js";
import { pairFolderHelp } from "../../pair-folder.js";

export type RunFlags = FlagsOf<typeof addRunCommand>;

const examples = `
Examples:
  overfill run                 the demo pair: a story and questions about it
  overfill run --prefill full.gguf --decode small.gguf -p "Once upon a time"
  overfill run pair/ -p "Once upon a time"
  overfill run --prefill q8_0.gguf --decode q4_0.gguf -f prompt.txt --temp 0 --max-tokens 200
  cat prompt.txt | overfill run --prefill model.gguf --json
  overfill run --prefill model.gguf --json-schema person.json -p "Invent a person." > person-1.json

The prompt goes to the model as it is: no chat template is put around it. Text such as <|im_end|> in it becomes the
control token of that name. With --chat, or any flag of a chat, it is a message of the user, put into the chat template.
One line break at the end of a file or of stdin is dropped.

The answer goes to stdout, everything else to stderr. Exit status: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C.`;

export function addRunCommand(program: Command) {
  const command = program
    .command("run")
    .description("read a prompt with the prefill model and write the answer with the decode model")
    .argument("[pair]", pairFolderHelp)
    .addHelpText("after", helpText(examples))
    .optionsGroup("Models and prompt:");
  const chatting = chatFlags(
    pairFlags(command)
      .addOption(new Option("-p, --prompt <text>", "the prompt").conflicts("file"))
      .option("-f, --file <file>", 'file with the prompt, "-" for stdin (default: stdin if it is piped)')
      .optionsGroup("Chat:")
      .option("--chat", "the prompt is a message of the user; so it is with any other flag of this group"),
  ).option("--json-schema <file>", "JSON schema that the answer keeps to; prints the answer once it is whole");
  const answering = samplingFlags(chatting)
    .optionsGroup("Answer:")
    .addOption(new Option("--grammar <gbnf>", "GBNF grammar that the answer follows").conflicts("grammarFile"))
    .option("--grammar-file <file>", "file with such a grammar")
    .option("--ignore-eos", "go on past the end of the answer")
    .option("--special", "show control tokens in the text");
  return outputFlags(pairComputingFlags(answering), { text: "the text", quiet: "no progress bar and no summary" });
}

/** Options of `decode`, but the grammar, which may come from a file. */
export function toDecodeOptions(flags: RunFlags): DecodeOptions {
  return given<DecodeOptions>({
    ...toSamplingOptions(flags),
    grammar: flags.grammar,
    ignoreEos: flags.ignoreEos,
    special: flags.special,
    logProbs: undefined,
    signal: undefined,
  });
}

/** Whether the prompt is a message. Throws a UsageError for flags that only a bare prompt has. */
export function isChat(flags: RunFlags): boolean {
  const { chat, system, template, reasoning, reasoningBudget, jsonSchema } = flags;
  const asked =
    chat || [system, template, reasoningBudget, jsonSchema].some((value) => value !== undefined) || !reasoning;
  if (!asked) return false;
  const bare = flags.ignoreEos ? "--ignore-eos" : flags.special ? "--special" : undefined;
  if (bare) throw new UsageError(`${bare} is for a prompt without a chat template`);
  if (jsonSchema !== undefined && (flags.grammar ?? flags.grammarFile) !== undefined)
    throw new UsageError("--json-schema is a grammar already: leave out --grammar and --grammar-file");
  return true;
}

/** Options of `Chat.send`, but the schema and a grammar, which may come from files. */
export const toSendOptions = (flags: RunFlags): SendOptions =>
  given<SendOptions>({
    ...toSamplingOptions(flags),
    grammar: flags.grammar,
    schema: undefined,
    tools: undefined,
    toolChoice: undefined,
    parallelToolCalls: undefined,
    maxSteps: undefined,
    reasoning: undefined,
    overflow: undefined,
    logProbs: undefined,
    signal: undefined,
  });
