/**
 * The demo: the pair that ships with the package reads a little story and answers a question about it, in two stages;
 * beside it stands what the decode model answers when it has to read the story itself. Then the same for other questions.
 */

import { basename } from "node:path";
import {
  type DecodeOptions,
  demoQuestions,
  type GenerateResult,
  type LoadPairOptions,
  loadPair,
  type Pair,
} from "../engine/index.js";
import { filesOf } from "./answer.js";
import { stageRows } from "./stage-summary.js";
import { renderTable, wrap } from "./tables.js";
import { type Style, styleOf, write } from "./terminal.js";

/** Longer than any answer to a question; a model alone may never end. */
const mostTokens = 48;

export interface DemoOptions {
  readonly load: LoadPairOptions;
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
    await write(process.stdout, `${JSON.stringify({ prompt, ...answer, pair, decodeModelAlone, ...rates })}\n`, signal);
    return;
  }
  await write(process.stdout, renderDemo(filesOf(load), together, alone), signal);
}

interface Outcome {
  /** As the questions. */
  readonly answers: readonly GenerateResult[];
  readonly info: Pair["info"];
  /** How many questions were answered right. */
  readonly right: number;
}

async function answerAll(load: LoadPairOptions, options: DecodeOptions): Promise<Outcome> {
  await using pair = await loadPair(load);
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

function renderDemo(files: ReturnType<typeof filesOf>, together: Outcome, alone: Outcome): string {
  const style = styleOf(process.stdout);
  const [reader, writer] = [basename(files.prefill), basename(files.decode)];
  const [asked, ...others] = demoQuestions;
  const [answer] = together.answers;
  if (!asked || !answer) throw new RangeError("the demo has no question");
  const stages = stageRows(answer).map(([stage = "", count = "", time = "", speed = ""], index) => {
    const who = [`${reader} reads`, "the KV cache goes over", `${writer} writes`, `${reader} reads again`][index] ?? "";
    return [style("bold", stage), who, count, time, speed];
  });
  const verdicts = (outcome: Outcome, index: number) =>
    verdict(outcome.answers[index]?.text ?? "", demoQuestions[index]?.answer ?? "", style);
  const share = ({ right }: Outcome) => `${right} of ${demoQuestions.length}`;
  return [
    "The demo pair: two small models that read a story and answer questions about it.",
    "",
    ...storyOf(asked.prompt),
    "",
    `  ${style(["bold", "cyan"], `${asked.question} :`)}`,
    "",
    renderTable([], stages, [2, 3]),
    "",
    renderTable(
      ["", "reads", "writes", "answer", ""],
      [
        ["two stages", reader, writer, ...verdicts(together, 0)],
        ["decode model alone", writer, writer, ...verdicts(alone, 0)],
      ],
    ),
    "",
    "The same for other questions:",
    "",
    renderTable(
      ["", "two stages", "", "decode model alone", ""],
      others.map(({ question }, i) => [question, ...verdicts(together, i + 1), ...verdicts(alone, i + 1)]),
    ),
    "",
    `All questions: ${share(together)} right in two stages, ${share(alone)} by the decode model alone.`,
    style(
      "dim",
      "The prefill model also gives the first word, as in the OverFill paper. The decode model was trained to",
    ),
    style("dim", "write on its reading, never to read. `npm run reproduce` made both: docs/reproduction.md."),
    style("dim", "Your own models: overfill run --prefill full.gguf --decode small.gguf -p TEXT"),
    "",
  ].join("\n");
}

/** The sentences above the question. */
function storyOf(prompt: string): string[] {
  const story = prompt.slice(0, prompt.lastIndexOf("\n")).trim();
  return story.split(/(?<=\.) /).map((sentence) => `  ${sentence}`);
}

/** An answer as it is shown, with a break where it is long, and whether it is right. */
function verdict(text: string, expected: string, style: Style): string[] {
  const shown = text.trim() === "" ? "(nothing)" : wrap(text.trim(), 44);
  return text === expected ? [shown, style("green", "right")] : [shown, style("red", "wrong")];
}
