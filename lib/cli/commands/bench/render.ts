/** A benchmark's report as tables and in words. */

import type { BenchLength, BenchProgress, BenchReport, BenchRow, BenchSpeed } from "../../../eval/index.js";
import { formatBytes, formatCount, formatMs, formatSpeed, formatTime } from "../../number-format.js";
import { prose, renderTable } from "../../tables.js";
import { adviceOn, formatShare, formatTimes, nameOfWay } from "./words.js";

/** What stands behind the bar. */
export function detailOf({ stage, way, done, total }: BenchProgress): string {
  if (stage === "loading" || stage === "reading") return "";
  const place = `${formatCount(done)}/${formatCount(total)}`;
  return way === undefined ? place : `${place}, ${nameOfWay(way)}`;
}

export function renderBench(report: BenchReport): string {
  const { rows, lengths, badLines, ms } = report;
  const parts = [renderHead(report), renderRows(rows)];
  if (lengths.length > 1) parts.push(renderLengths(report));
  const positions = renderPositions(rows);
  if (positions !== undefined) parts.push(positions);
  parts.push(prose(adviceOn(report).join("\n")), renderFoot(report));
  if (badLines.length > 0)
    parts.push(`${formatCount(badLines.length)} bad ${badLines.length === 1 ? "line was" : "lines were"} skipped.`);
  parts.push(`In ${formatTime(ms)}.`);
  return parts.join("\n\n");
}

const plural = (count: number, one: string) => `${formatCount(count)} ${one}${count === 1 ? "" : "s"}`;

function renderHead({ prefill, decode, data, prompts, promptTokens, handover, threads }: BenchReport): string {
  return prose(
    [
      `${prefill.path} (${formatBytes(prefill.sizeBytes)}) reads, ${decode.path} (${formatBytes(decode.sizeBytes)}) writes.`,
      `${data === undefined ? "" : `${data}: `}${plural(prompts, "prompt")}, ${plural(promptTokens, "token")}.`,
      `The pair ${handover === "share" ? "shares" : "translates"} its KV cache; ${plural(threads, "thread")}.`,
    ].join("\n"),
  );
}

const numbersFrom = (head: readonly string[], first = 1) => head.map((_, i) => i).slice(first);

function renderRows(rows: readonly BenchRow[]): string {
  const given = rows.some((row) => row.given);
  const head = [
    "",
    "reads",
    "first token",
    "writes",
    "times the full model",
    "with reading",
    "agrees, its own text",
    ...(given ? ["agrees, the data's", "KL, the data's"] : []),
    "weights, KV cache",
  ];
  const lines = rows.map(({ way, speed, written, given: own, memory }) => [
    nameOfWay(way),
    formatSpeed(speed.prefillTokensPerSecond),
    formatMs(speed.firstTokenMs),
    formatSpeed(speed.decodeTokensPerSecond),
    formatTimes(speed.writesTimes),
    formatTimes(speed.answersTimes),
    written.tokens === 0 ? "" : formatShare(written.agreement),
    ...(given ? [own ? formatShare(own.agreement) : "", own ? own.divergence.toFixed(4) : ""] : []),
    `${formatBytes(memory.weightBytes)}, ${formatBytes(memory.kvBytes)}`,
  ]);
  return renderTable(head, lines, numbersFrom(head));
}

/** Each way by the length of the prompt. */
function renderLengths({ rows, lengths }: BenchReport): string {
  const name = ({ from, to }: BenchLength) => (from === to ? `${formatCount(from)} tokens` : `${from} to ${to} tokens`);
  const cell = ({ firstTokenMs, decodeTokensPerSecond, writesTimes }: BenchSpeed) =>
    `${formatMs(firstTokenMs)}, ${formatSpeed(decodeTokensPerSecond)}, ${formatTimes(writesTimes)}`;
  const head = ["prompts of", ...lengths.map(name)];
  const lines = rows.map(({ way }, i) => [
    nameOfWay(way),
    ...lengths.map(({ speeds }) => (speeds[i] ? cell(speeds[i]) : "")),
  ]);
  const table = renderTable(head, lines, numbersFrom(head));
  return `${table}\n${prose("Time to the first token, speed of writing, and that in times of the full model's.")}`;
}

/** Agreement by position; undefined where there are no positions. */
function renderPositions(rows: readonly BenchRow[]): string | undefined {
  const given = rows.some((row) => row.given);
  // What is the full model is so at every position.
  const shown = rows.filter(({ way, given: own }) => way !== "prefill" && (given ? own : way !== "exact"));
  const positionsOf = (row: BenchRow) => (given ? row.given : row.written)?.positions ?? [];
  const longest = shown.map(positionsOf).toSorted((a, b) => b.length - a.length)[0] ?? [];
  if (longest.length === 0) return undefined;
  const head = ["token", ...shown.map(({ way }) => nameOfWay(way))];
  const lines = longest.map(({ from, to }, i) => [
    from === to ? String(from + 1) : `${from + 1}-${to + 1}`,
    ...shown.map((row) => {
      const own = positionsOf(row)[i];
      if (!own) return "";
      return "divergence" in own
        ? `${formatShare(own.agreement)}, ${(own.divergence as number).toFixed(4)}`
        : formatShare(own.agreement);
    }),
  ]);
  const what = given
    ? "By place in the data's responses: tokens in which it agrees with the full model, KL from it in nats."
    : "By place in its own answer: tokens that the full model would have written there.";
  return `${renderTable(head, lines, numbersFrom(head))}\n${prose(what)}`;
}

function renderFoot({ rounds, maxTokens, temperature, residentBytes, data }: BenchReport): string {
  const lines = [
    `Medians of ${plural(rounds, "round")} of answers of up to ${plural(maxTokens, "token")} at a temperature of ${temperature}, in turn; agreement at 0, without the first token.`,
    `The process took ${formatBytes(residentBytes)} with the small model in memory twice.`,
  ];
  if (data === undefined)
    lines.push("How much is kept of drafts goes by the text: measure with prompts of your own (--data).");
  return prose(lines.join("\n"));
}
