/** What `overfill run` does: looks at everything that can be refused without a model, finds the prompt, answers it. */

import { grammarSchema } from "../../../chat/grammar-schema.js";
import type { JsonSchema } from "../../../chat/index.js";
import { checkChatOptions, checkSendOptions } from "../../../chat/validation.js";
import { demoPair, type OnePairOptions } from "../../../engine/index.js";
import { checkDecodeOptions } from "../../../engine/validation.js";
import { toChatOptions } from "../../chat-flags.js";
import { readTemplate } from "../../chat-template.js";
import { UsageError } from "../../exit.js";
import { toLoadOptions } from "../../pair-flags.js";
import { withPairFolder } from "../../pair-folder.js";
import { isDemo } from "../../prefill-flags.js";
import { Progress } from "../../progress.js";
import { readPrompt, readTextFile } from "../../prompt-source.js";
import { listenForStop } from "../../stop-signals.js";
import { answer } from "./answer.js";
import { answerChat } from "./chat-answer.js";
import { runDemo } from "./demo.js";
import { isChat, type RunFlags, toDecodeOptions, toSendOptions } from "./flags.js";

/** How long the demo waits for a prompt from a pipe. */
const silenceMs = 1000;

export async function run(folder: string | undefined, asked: RunFlags): Promise<void> {
  const flags = await withPairFolder(folder, asked);
  const demo = isDemo(flags);
  if (demo && flags.decode !== undefined)
    throw new UsageError("--decode needs --prefill or --prefill-url: name what reads the prompt");
  const { signal, release } = listenForStop();
  try {
    const grammar = flags.grammarFile === undefined ? undefined : await readTextFile(flags.grammarFile, signal);
    const load = toLoadOptions(flags, demoPair);
    const decode = { ...toDecodeOptions(flags), ...(grammar !== undefined && { grammar }) };
    const chatting = isChat(flags) ? await chatOptionsOf(flags, grammar, signal) : undefined;
    checkDecodeOptions(decode);
    const prompt = await readPrompt(flags, { signal, ...(demo && !chatting && { silenceMs }) });
    const json = flags.json === true;
    const quiet = flags.quiet === true;
    if (prompt !== undefined) {
      const progress = await Progress.open(flags.progress && !quiet);
      const options = { load, prompt, progress, signal, json, quiet };
      if (chatting) await answerChat({ ...options, ...chatting });
      else await answer({ ...options, decode });
    } else if (demo && !chatting) await runDemo({ load: load as OnePairOptions, decode, signal, json });
    else throw new UsageError("no prompt: give one with -p TEXT or -f FILE, or pipe it in");
  } finally {
    release();
  }
}

/** What is asked of the chat and of its answer, checked. */
async function chatOptionsOf(flags: RunFlags, grammar: string | undefined, signal: AbortSignal) {
  const { jsonSchema } = flags;
  const chat = { ...toChatOptions(flags), ...(await readTemplate(flags, signal)) };
  const schema = jsonSchema === undefined ? undefined : await readSchema(jsonSchema, signal);
  const send = { ...toSendOptions(flags), ...(grammar !== undefined && { grammar }), ...(schema && { schema }) };
  checkChatOptions(chat);
  checkSendOptions(send);
  return { chat, send };
}

/** Rejects with a UsageError for what is no JSON, and with ERR_SCHEMA_UNSUPPORTED. */
async function readSchema(file: string, signal: AbortSignal): Promise<JsonSchema> {
  const text = await readTextFile(file, signal);
  let schema: unknown;
  try {
    schema = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${(error as Error).message}`);
  }
  if (typeof schema !== "object" || schema === null || Array.isArray(schema))
    throw new UsageError(`${file} holds no JSON schema: expected an object`);
  grammarSchema(schema as JsonSchema);
  return schema as JsonSchema;
}
