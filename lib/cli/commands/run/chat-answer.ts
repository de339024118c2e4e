/** One answer of a chat: the prompt as a message of the user, the text on stdout as it comes, or JSON once it is whole. */

import type { ChatAnswer, ChatOptions, SendOptions } from "../../../chat/index.js";
import { exitCodes, QuietExit } from "../../exit.js";
import { openPair } from "../../open-pair.js";
import { describeEnding } from "../../stage-summary.js";
import { write } from "../../terminal.js";
import { Transcript } from "../../transcript.js";
import { toJson } from "../../visible.js";
import { type AnswerOptions, filesOf, printSummary } from "./answer.js";

export interface ChatAnswerOptions extends Omit<AnswerOptions, "decode"> {
  readonly chat: ChatOptions;
  readonly send: SendOptions;
}

export async function answerChat(options: ChatAnswerOptions): Promise<void> {
  const { load, chat: chatOptions, send, prompt, progress, signal, json, quiet } = options;
  const transcript = new Transcript({ quiet: quiet || json, endsLines: false });
  const isHeld = json || send.schema !== undefined;
  // At once, before the stage has ended: a second Ctrl-C may leave no time later.
  const tidy = () => {
    progress.stop();
    transcript.endLine();
  };
  signal.addEventListener("abort", tidy);
  try {
    progress.update("loading", 0, 1);
    await using pair = await openPair({
      ...load,
      signal,
      onProgress: ({ fraction }) => progress.update("loading", fraction, 1),
    });
    progress.stop();
    await using chat = pair.chat(chatOptions);
    const stream = chat.send(prompt, { ...send, signal });
    try {
      for await (const part of stream) {
        if (part.type === "text" && !isHeld) await transcript.text(part.text, signal);
        if (part.type === "reasoning") await transcript.reasoning(part.text, signal);
      }
    } catch (error) {
      // An answer that was stopped before it began has no stages.
      if (signal.aborted) await summarize(options, await stream.finished.catch(() => undefined));
      throw error;
    }
    const whole = await stream.finished;
    transcript.endLine();
    if (json) await printJson(options, whole, { files: filesOf(load), ...pair.info });
    else if (send.schema !== undefined) await printObject(whole, signal);
    await summarize(options, whole);
  } finally {
    signal.removeEventListener("abort", tidy);
    tidy();
  }
}

async function printJson({ signal }: ChatAnswerOptions, whole: ChatAnswer, pair: object): Promise<void> {
  const { text, reasoning, object, finishReason, usage, steps } = whole;
  const { prefill, handover, decode } = steps[0] ?? {};
  const result = { text, reasoning, object, finishReason, usage, prefill, handover, decode, pair };
  await write(process.stdout, `${toJson(result)}\n`, signal);
}

/** An object, or nothing: half of one is of no use to whoever reads it. */
async function printObject({ object, steps }: ChatAnswer, signal: AbortSignal): Promise<void> {
  const decode = steps.at(-1)?.decode;
  if (object !== undefined) return write(process.stdout, `${toJson(object)}\n`, signal);
  await write(process.stderr, `overfill: the answer is not whole (${decode ? describeEnding(decode) : "stopped"})\n`);
  throw new QuietExit(exitCodes.failure);
}

async function summarize(options: ChatAnswerOptions, whole: ChatAnswer | undefined): Promise<void> {
  const step = whole?.steps.at(-1);
  if (step) await printSummary(options, step);
}
