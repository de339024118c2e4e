/**
 * The demo: the pair that ships with the package reads a little story and answers a question about it, in two stages;
 * beside it stands what the decode model answers when it has to read the story itself. Then the same for other questions.
 */

import { type DecodeOptions, demoQuestions, type GenerateResult, type OnePairOptions } from "../../../engine/index.js";
import { openPair } from "../../open-pair.js";
import { write } from "../../terminal.js";
import { toJson, visible } from "../../visible.js";
import { filesOf } from "./answer.js";
import { type Outcome, renderDemo } from "./render.js";

/** Longer than any answer to a question; a model alone may never end. */
const mostTokens = 48;

export interface DemoOptions {
  readonly load: OnePairOptions;
  readonly decode: DecodeOptions;
  readonly signal: AbortSignal;
  readonly json: boolean;
}

export async function runDemo({ load, decode, signal, json }: DemoOptions): Promise<void> {
  // An answer is a line; a model that cannot read the story may not end with it.
  const options = { maxTokens: mostTokens, stop: "\n", ...decode, signal };
  const together = await answerAll({ ...load, signal }, options);
  const { prefill: reader, decode: writer = reader, ...settings } = load;
  const alone = await answerAll({ ...settings, prefill: writer, signal }, options);

  if (json) {
    const rates = { questions: demoQuestions.length, right: together.right, rightDecodeModelAlone: alone.right };
    const pair = { files: filesOf(load), ...together.info };
    const [{ prompt } = { prompt: "" }] = demoQuestions;
    const [answer, decodeModelAlone] = [together.answers[0], alone.answers[0]];
    await write(process.stdout, `${toJson({ prompt, ...answer, pair, decodeModelAlone, ...rates })}\n`, signal);
    return;
  }
  await write(process.stdout, renderDemo(visible(filesOf(load)), visible(together), visible(alone)), signal);
}

async function answerAll(load: OnePairOptions, options: DecodeOptions): Promise<Outcome> {
  await using pair = await openPair(load);
  const ask = async (prompt: string) => {
    await using session = await pair.createSession();
    // Awaited here: the session goes away with this block.
    return await session.generate(prompt, options);
  };
  // The very first step pays for memory that is touched for the first time: not what the shown times are about.
  await ask("\n");
  const answers: GenerateResult[] = [];
  for (const { prompt } of demoQuestions) answers.push(await ask(prompt));
  const right = demoQuestions.filter(({ answer }, i) => answers[i]?.text === answer).length;
  return { answers, info: pair.info, right };
}
