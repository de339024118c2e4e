/**
 * The demo: the pair that ships with the package looks something up in a little table, in two stages; beside it stands
 * what the decode model answers when it has to read the table itself. Then the same for every look-up of the table.
 */

import { basename } from "node:path";
import {
  type DecodeOptions,
  demoPrompt,
  type GenerateResult,
  type LoadPairOptions,
  loadPair,
  type Pair,
} from "../engine/index.js";
import { filesOf } from "./answer.js";
import { stageRows } from "./stage-summary.js";
import { renderTable } from "./tables.js";
import { type Style, styleOf, write } from "./terminal.js";

/** Longer than any answer of the table; a model alone may never end. */
const mostTokens = 16;

export interface DemoOptions {
  readonly load: LoadPairOptions;
  readonly decode: DecodeOptions;
  readonly signal: AbortSignal;
  readonly json: boolean;
}

/** A prompt of the demo pair, taken apart. */
interface LookupTable {
  readonly rows: readonly (readonly string[])[];
  readonly key: string;
}

interface Lookup {
  readonly prompt: string;
  readonly expected: string;
}

export async function runDemo({ load, decode, signal, json }: DemoOptions): Promise<void> {
  const table = parsePrompt(demoPrompt);
  const asked = lookupOf(table, table.key);
  const all = table.rows.flatMap((row) => row.slice(0, -1).map((key) => lookupOf(table, key)));
  const options = { maxTokens: mostTokens, ...decode, signal };

  const together = await answerAll({ ...load, signal }, asked, all, options);
  const { prefill: reader, decode: writer = reader, ...settings } = load;
  const alone = await answerAll({ ...settings, prefill: writer, signal }, asked, all, options);

  const { answer } = together;
  if (json) {
    const rates = { lookups: all.length, right: together.right, rightDecodeModelAlone: alone.right };
    const pair = { files: filesOf(load), ...together.info };
    await write(
      process.stdout,
      `${JSON.stringify({ prompt: asked.prompt, ...answer, pair, decodeModelAlone: alone.answer, ...rates })}\n`,
      signal,
    );
    return;
  }
  const page = renderDemo({ table, asked, files: filesOf(load), together, alone, total: all.length });
  await write(process.stdout, page, signal);
}

interface Outcome {
  readonly answer: GenerateResult;
  readonly info: Pair["info"];
  /** How many of all look-ups were answered right. */
  readonly right: number;
}

async function answerAll(
  load: LoadPairOptions,
  asked: Lookup,
  all: readonly Lookup[],
  options: DecodeOptions,
): Promise<Outcome> {
  await using pair = await loadPair(load);
  const ask = async ({ prompt }: Lookup) => {
    await using session = await pair.createSession();
    // Awaited here: the session goes away with this block.
    return await session.generate(prompt, options);
  };
  // The very first step pays for memory that is touched for the first time: not what the shown times are about.
  await ask(asked);
  const answer = await ask(asked);
  let right = 0;
  for (const lookup of all) if ((await ask(lookup)).text === lookup.expected) right++;
  return { answer, info: pair.info, right };
}

function parsePrompt(prompt: string): LookupTable {
  const lines = prompt.split("\n").map((line) => line.trim().split(" "));
  const [, key = ""] = lines.find(([word]) => word === "Find") ?? [];
  return { rows: lines.filter((words) => words.length > 2), key };
}

function lookupOf({ rows }: LookupTable, key: string): Lookup {
  const row = rows.find((words) => words.includes(key)) ?? [];
  return {
    prompt: `${rows.map((words) => `\n ${words.join(" ")}`).join("")}\n Find ${key}`,
    expected: ` ${row.slice(row.indexOf(key) + 1).join(" ")}`,
  };
}

interface Page {
  readonly table: LookupTable;
  readonly asked: Lookup;
  readonly files: ReturnType<typeof filesOf>;
  readonly together: Outcome;
  readonly alone: Outcome;
  readonly total: number;
}

function renderDemo({ table, asked, files, together, alone, total }: Page): string {
  const style = styleOf(process.stdout);
  const [reader, writer] = [basename(files.prefill), basename(files.decode)];
  const rows = table.rows.map((row) => row.map((word) => (word === table.key ? style(["bold", "cyan"], word) : word)));
  const stages = stageRows(together.answer).map(([stage = "", count = "", time = "", speed = ""], index) => {
    const who = [`${reader} reads`, "the KV cache goes over", `${writer} writes`, `${reader} reads again`][index] ?? "";
    return [style("bold", stage), who, count, time, speed];
  });
  const verdicts = [
    ["two stages", reader, writer, ...verdict(together.answer.text, asked.expected, style)],
    ["decode model alone", writer, writer, ...verdict(alone.answer.text, asked.expected, style)],
  ];
  const share = (outcome: Outcome) => `${outcome.right} of ${total}`;
  return [
    `The demo pair: two small models that look things up in a table.`,
    "",
    renderTable([], rows),
    `${style("bold", "Find")} ${style(["bold", "cyan"], table.key)}`,
    "",
    renderTable([], stages, [2, 3]),
    "",
    renderTable(["", "reads the table", "writes", "answer", ""], verdicts),
    "",
    `Every look-up in this table: ${share(together)} right in two stages, ${share(alone)} by the decode model alone.`,
    style(
      "dim",
      "The prefill model also gives the first word, as in the OverFill paper. The decode model was trained to",
    ),
    style(
      "dim",
      "write on its reading, never to read; the task is a toy that shows the stages, not what large models gain.",
    ),
    style("dim", "Your own models: overfill run --prefill full.gguf --decode small.gguf -p TEXT"),
    "",
  ].join("\n");
}

function verdict(text: string, expected: string, style: Style): string[] {
  const shown = text.trim() === "" ? "(nothing)" : text.trim();
  return text === expected ? [shown, style("green", "right")] : [shown, style("red", "wrong")];
}
