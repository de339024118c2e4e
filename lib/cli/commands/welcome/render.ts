/** The first screen: no wider than 80 columns, and no longer than a terminal. */

import { demoQuestions } from "../../../engine/index.js";
import type { DemoOutcomes, Outcome } from "../../demo-answers.js";
import { formatMs } from "../../number-format.js";
import { ownCommand } from "../../shell-words.js";
import { prose, renderList } from "../../tables.js";
import { columnsOf, type Style } from "../../terminal.js";
import { wrap } from "../../wrap.js";

/** Of a stream that is no terminal, too. */
const screenWidth = () => Math.min(80, columnsOf(process.stdout));

export function renderWelcome({ together, alone }: DemoOutcomes, style: Style): string {
  const [asked] = demoQuestions;
  const [answer] = together.answers;
  if (!asked || !answer) throw new RangeError("the demo has no question");
  const story = asked.prompt.slice(0, asked.prompt.lastIndexOf("\n")).trim();
  const sentences = story.split(/(?<=\.) /).map((line) => `  ${wrap(line, screenWidth() - 2, "  ")}`);
  const said = (outcome: Outcome, isRight: boolean) =>
    `${outcome.answers[0]?.text.trim() || "(nothing)"} (${style(isRight ? "green" : "red", isRight ? "right" : "wrong")})`;
  const count = demoQuestions.length;
  const { prefill, handover, decode } = answer;
  return [
    `${style("bold", "overfill")}: ${wrap("a full model reads the prompt, a small one writes the answer.", screenWidth() - 10)}`,
    "",
    prose("Two tiny models that come with it, at work just now:", screenWidth()),
    "",
    ...sentences,
    "",
    `  ${style(["bold", "cyan"], `${asked.question} :`)}`,
    "",
    renderList(
      [
        ["both", said(together, answer.text === asked.answer)],
        ["small one alone", said(alone, alone.answers[0]?.text === asked.answer)],
      ],
      screenWidth(),
    ),
    "",
    prose(
      `Of ${count} such questions, both answer ${together.right} right; the small one alone, never taught to read, ${alone.right}. It took ` +
        `${formatMs(prefill.ms)} to read, ${formatMs(handover.ms)} to hand over and ${formatMs(decode.ms)} to write.`,
      screenWidth(),
    ),
  ].join("\n");
}

const steps = [
  ["suggest", "what this machine runs"],
  ["pull ORG/NAME --quant Q8_0,Q4_0", "download a pair"],
  ["chat --prefill A --decode B", "talk to it"],
  ["init my-app", "a program that uses it"],
  ["--help", "everything else"],
] as const;

export const renderNextSteps = (style: Style): string => `${style("bold", "Next")}\n${stepLines()}`;

/** In two columns where there is room. */
function stepLines(): string {
  const commands = steps.map(([words, what]) => [`${ownCommand()} ${words}`, what] as const);
  const longest = Math.max(...commands.map(([command]) => command.length));
  const room = screenWidth() - longest - 4;
  return commands
    .map(([command, what]) =>
      commands.every(([, each]) => each.length <= room)
        ? `  ${command.padEnd(longest)}  ${what}`
        : `  ${command}\n      ${wrap(what, screenWidth() - 6, "      ")}`,
    )
    .join("\n");
}
