/**
 * The demo: the pair that ships with the package reads a little story and answers a question about it, in two stages;
 * beside it stands what the decode model answers when it has to read the story itself. Then the same for other questions.
 */

import { type DecodeOptions, demoQuestions, type OnePairOptions } from "../../../engine/index.js";
import { answerDemo } from "../../demo-answers.js";
import { write } from "../../terminal.js";
import { toJson, visible } from "../../visible.js";
import { filesOf } from "./answer.js";
import { renderDemo } from "./render.js";

export interface DemoOptions {
  readonly load: OnePairOptions;
  readonly decode: DecodeOptions;
  readonly signal: AbortSignal;
  readonly json: boolean;
}

export async function runDemo({ load, decode, signal, json }: DemoOptions): Promise<void> {
  const { together, alone } = await answerDemo(load, decode, signal);
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
