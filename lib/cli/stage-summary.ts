/** What the three stages came to, as lines for stderr. */

import type { DecodeResult, FinishReason, HandoverReport, PrefillResult, VerificationResult } from "../engine/index.js";
import { formatBytes, formatCount, formatMs, formatSpeed } from "./number-format.js";

export interface StageResults {
  readonly prefill: PrefillResult;
  readonly handover: HandoverReport;
  readonly decode: DecodeResult;
}

const endings: Readonly<Record<FinishReason, string>> = {
  eos: "the model ended the answer",
  stop: "a stop text was reached",
  length: "--max-tokens was reached",
  context: "the context is full",
  abort: "stopped",
};

/** How an answer ended, with the code that `--json` gives. */
export function describeEnding(result: DecodeResult): string {
  const stop = result.stop === undefined ? "" : ` ${JSON.stringify(result.stop)}`;
  return `${result.reason}${stop}: ${endings[result.reason]}`;
}

/** One line: `share, 0 bytes moved`. */
export function describeHandover({ kind, implementation, bytes, gigabytesPerSecond }: HandoverReport): string {
  const how = kind === implementation ? kind : `${kind} by ${implementation}`;
  const speed = gigabytesPerSecond > 0 ? ` at ${gigabytesPerSecond.toFixed(1)} GB/s` : "";
  return `${how}, ${formatBytes(bytes)} moved${speed}`;
}

const tokens = (count: number) => `${formatCount(count)} ${count === 1 ? "token" : "tokens"}`;

function refreshRow({ refreshes, refreshedTokens, refreshMs, refreshShare }: DecodeResult): string[] {
  const often = `${refreshes === 1 ? "once" : `${refreshes} times`}, ${(refreshShare * 100).toFixed(1)}% more time`;
  return ["refresh", tokens(refreshedTokens), formatMs(refreshMs), often];
}

function checkRow({ draftedTokens, keptTokens, replacedTokens, checks }: VerificationResult): string[] {
  const kept = `${formatCount(keptTokens)} kept and ${formatCount(replacedTokens)} replaced`;
  return ["drafts", tokens(draftedTokens), "", `${kept} in ${formatCount(checks)} checks`];
}

/** A row a stage: tokens, time, speed or what moved; one more for refreshes within the answer. */
export function stageRows({ prefill, handover, decode }: StageResults): string[][] {
  return [
    ["prefill", tokens(prefill.promptTokens), formatMs(prefill.ms), formatSpeed(prefill.tokensPerSecond)],
    ["switch", tokens(handover.tokens), formatMs(handover.ms), describeHandover(handover)],
    ["decode", tokens(decode.tokens), formatMs(decode.ms - decode.refreshMs), formatSpeed(decode.tokensPerSecond)],
    ...(decode.refreshedTokens > 0 ? [refreshRow(decode)] : []),
    ...(decode.verification ? [checkRow(decode.verification)] : []),
  ];
}

/** The rows under each other, numbers to the right. */
export function stageSummary(results: StageResults): string {
  const rows = stageRows(results);
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  const [stage, count, time] = [width(0), width(1), width(2)];
  const lines = rows.map(([a = "", b = "", c = "", d = ""]) =>
    `${a.padEnd(stage)}  ${b.padStart(count)}  ${c.padStart(time)}  ${d}`.trimEnd(),
  );
  return [...lines, `${"finish".padEnd(stage)}  ${describeEnding(results.decode)}`].join("\n");
}
