/** The demo's questions, answered by a pair: what `overfill` and `overfill run` show without any model of one's own. */

import {
  type DecodeOptions,
  demoQuestions,
  type GenerateResult,
  type OnePairOptions,
  type Pair,
} from "../engine/index.js";
import { openPair } from "./open-pair.js";

/** Longer than any answer to a question; a model alone may never end. */
const longestAnswer = 48;

export interface Outcome {
  /** As the questions. */
  readonly answers: readonly GenerateResult[];
  readonly info: Pair["info"];
  /** How many questions were answered right. */
  readonly right: number;
}

export interface DemoOutcomes {
  readonly together: Outcome;
  /** Of the decode model, which has to read the questions itself. */
  readonly alone: Outcome;
}

export async function answerDemo(
  load: OnePairOptions,
  decode: DecodeOptions,
  signal: AbortSignal,
): Promise<DemoOutcomes> {
  // An answer is a line; a model that cannot read the story may not end with it.
  const options = { maxTokens: longestAnswer, stop: "\n", ...decode, signal };
  const together = await answerAll({ ...load, signal }, options);
  const { prefill: reader, decode: writer = reader, ...settings } = load;
  const alone = await answerAll({ ...settings, prefill: writer, signal }, options);
  return { together, alone };
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
