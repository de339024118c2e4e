/** An evaluation's report as tables: what the rows came to, side by side, and their differences. */

import type {
  Estimate,
  EvaluationProgress,
  EvaluationReport,
  Figures,
  MetricName,
  RowComparison,
  RowReport,
} from "../../../eval/index.js";
import { formatBytes, formatCount, formatSpeed, formatTime } from "../../number-format.js";
import { prose, renderTable } from "../../tables.js";
import { formatDifference, formatFigure, formatImprovement, metricWords, nameOfRow, taskWords } from "./words.js";

/** What stands behind the bar. */
export function detailOf({ stage, row, done, total }: EvaluationProgress): string {
  if (stage === "loading") return "";
  const place = stage === "reading" ? formatCount(done) : `${formatCount(done)}/${formatCount(total)}`;
  return row === undefined ? place : `${place}, ${nameOfRow(row)}`;
}

export function renderReport(report: EvaluationReport): string {
  const { rows, comparisons, badLines, ms } = report;
  const parts = [renderHead(report), renderRows(rows)];
  const positions = renderPositions(rows);
  if (positions !== undefined) parts.push(positions);
  for (const row of rows.map(({ row }) => row)) {
    const ofRow = comparisons.filter((comparison) => comparison.row === row);
    if (ofRow.length > 0) parts.push(renderComparisons(nameOfRow(row), ofRow));
  }
  parts.push(renderFoot(report));
  if (badLines.length > 0)
    parts.push(`${formatCount(badLines.length)} bad ${badLines.length === 1 ? "line was" : "lines were"} skipped.`);
  parts.push(`In ${formatTime(ms)}.`);
  return parts.join("\n\n");
}

function renderHead({ data, task, examples, promptTokens, scoredTokens, handover, decode }: EvaluationReport): string {
  const scored = scoredTokens === 0 ? "" : ` and ${formatCount(scoredTokens)} of what is scored`;
  const counts = `${formatCount(examples)} ${examples === 1 ? "example" : "examples"}`;
  return [
    `${data}: ${taskWords[task]}, ${counts}, ${formatCount(promptTokens)} tokens of prompts${scored}`,
    decode ? `The pair ${handover === "share" ? "shares" : "translates"} its KV cache.` : "The pair is one model.",
  ]
    .map((line) => prose(line))
    .join("\n");
}

/** What the intervals are, said once. */
function renderFoot({ confidence, resamples, examples, rows }: EvaluationReport): string {
  const lines = [
    examples > 1
      ? `[low, high]: ${Number((100 * confidence).toPrecision(6))}% intervals from ${formatCount(resamples)} resamples of the examples (BCa bootstrap).`
      : "One example is too few for confidence intervals.",
  ];
  if (rows.some(({ positions }) => positions))
    lines.push("In two-stage inference the full model writes the first token of a response.");
  return prose(lines.join("\n"));
}

function renderRows(rows: readonly RowReport[]): string {
  const names = namesIn(rows.map(({ figures }) => figures));
  const lines = names.map((name) => [
    metricWords[name],
    ...rows.map(({ figures }) => withInterval(figures[name], formatFigure)),
  ]);
  if (rows.some(({ speed }) => speed))
    lines.push(
      ["reads", ...rows.map(({ speed }) => formatSpeed(speed?.prefillTokensPerSecond ?? 0))],
      ["writes", ...rows.map(({ speed }) => formatSpeed(speed?.decodeTokensPerSecond ?? 0))],
    );
  lines.push(
    ["weights", ...rows.map(({ memory }) => formatBytes(memory.weightBytes))],
    ["KV cache", ...rows.map(({ memory }) => formatBytes(memory.kvBytes))],
  );
  return renderTable(
    ["", ...rows.map(({ row }) => nameOfRow(row))],
    lines,
    rows.map((_, i) => i + 1),
  );
}

function renderComparisons(name: string, comparisons: readonly RowComparison[]): string {
  const columns = comparisons.flatMap(({ against, differences, improvements }) => [
    { head: `minus ${against} alone`, figures: differences, format: formatDifference },
    ...(improvements
      ? [{ head: `relative to ${against} alone`, figures: improvements, format: formatImprovement }]
      : []),
  ]);
  const lines = namesIn(columns.map(({ figures }) => figures)).map((metric) => [
    metricWords[metric],
    ...columns.map(({ figures, format }) => withInterval(figures[metric], format)),
  ]);
  return renderTable(
    [name, ...columns.map(({ head }) => head)],
    lines,
    columns.map((_, i) => i + 1),
  );
}

/** KL and agreement by position in the response; undefined where there are no positions. */
function renderPositions(rows: readonly RowReport[]): string | undefined {
  const first = rows.find(({ positions }) => positions)?.positions;
  if (!first) return undefined;
  const lines = first.map(({ from, to, tokens }, i) => [
    from === to ? String(from) : `${from}-${to}`,
    formatCount(tokens),
    ...rows.map(({ positions }) => {
      const at = positions?.[i];
      return at ? `${formatFigure(at.divergence.value)}, ${formatFigure(at.agreement.value)}` : "";
    }),
  ]);
  const head = ["position", "tokens", ...rows.map(({ row }) => nameOfRow(row))];
  const table = renderTable(head, lines, head.map((_, i) => i).slice(1));
  return `${table}\n${prose("By position in the response: KL from the full model in nats, agreement with it.")}`;
}

/** The metrics that any of them has, in the words' order. */
function namesIn(all: readonly Figures[]): MetricName[] {
  return (Object.keys(metricWords) as MetricName[]).filter((name) => all.some((figures) => figures[name]));
}

/** The interval stands below the figure, so that columns stay narrow. */
function withInterval(estimate: Estimate | undefined, format: (value: number) => string): string {
  if (!estimate) return "";
  const { value, low, high } = estimate;
  if (low === undefined || high === undefined) return format(value);
  return `${format(value)}\n[${format(low)}, ${format(high)}]`;
}
