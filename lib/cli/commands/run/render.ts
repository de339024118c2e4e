/** The demo as text: the story, the three stages, and the answers beside those of the decode model alone. */

import { basename } from "node:path";
import { demoQuestions } from "../../../engine/index.js";
import type { Outcome } from "../../demo-answers.js";
import { ownCommand } from "../../shell-words.js";
import { stageRows } from "../../stage-summary.js";
import { prose, renderTable } from "../../tables.js";
import { columnsOf, type Style, styleOf } from "../../terminal.js";
import { wrap } from "../../wrap.js";

/** @param files the paths of the pair */
export function renderDemo(
  files: { readonly prefill: string; readonly decode: string },
  together: Outcome,
  alone: Outcome,
): string {
  const style = styleOf(process.stdout);
  const [reader, writer] = [basename(files.prefill), basename(files.decode)];
  const [asked, ...others] = demoQuestions;
  const [answer] = together.answers;
  if (!asked || !answer) throw new RangeError("the demo has no question");
  const stages = stageRows(answer).map(([stage = "", count = "", time = "", speed = ""], index) => {
    const who =
      [`${reader} reads`, "hands the KV cache over", `${writer} writes`, `${reader} reads again`][index] ?? "";
    return [style("bold", stage), who, count, time, speed];
  });
  const verdicts = (outcome: Outcome, index: number) =>
    verdict(outcome.answers[index]?.text ?? "", demoQuestions[index]?.answer ?? "", style);
  const share = ({ right }: Outcome) => `${right} of ${demoQuestions.length}`;
  return [
    prose("The demo pair: two small models that read a story and answer questions about it."),
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
    prose(`All questions: ${share(together)} right in two stages, ${share(alone)} by the decode model alone.`),
    style(
      "dim",
      prose(
        "The prefill model also gives the first word, as in the OverFill paper. The decode model was trained to write on what the other has read, never to read itself.",
      ),
    ),
    style("dim", `Your own models: ${ownCommand()} run --prefill full.gguf --decode small.gguf -p TEXT`),
    "",
  ].join("\n");
}

/** The sentences above the question. */
function storyOf(prompt: string): string[] {
  const story = prompt.slice(0, prompt.lastIndexOf("\n")).trim();
  return story.split(/(?<=\.) /).map((sentence) => `  ${wrap(sentence, columnsOf(process.stdout) - 2, "  ")}`);
}

/** An answer as it is shown, with a break where it is long, and whether it is right. */
function verdict(text: string, expected: string, style: Style): string[] {
  const shown = text.trim() === "" ? "(nothing)" : wrap(text.trim(), 44);
  return text === expected ? [shown, style("green", "right")] : [shown, style("red", "wrong")];
}
