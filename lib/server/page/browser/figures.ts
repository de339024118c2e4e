/** How the stages of an answer went: read out of what the server sends, and said in words. */

/** All of it may be missing: an older server, or one that is not overfill. */
export interface Figures {
  /** Tokens of the prompt, those in the cache included. */
  readonly promptTokens?: number | undefined;
  /** Tokens that had been read before. */
  readonly cachedTokens?: number | undefined;
  /** Tokens that the prefill model read for this answer. */
  readonly readTokens?: number | undefined;
  readonly readMs?: number | undefined;
  readonly handoverMs?: number | undefined;
  readonly handoverKind?: string | undefined;
  readonly writtenTokens?: number | undefined;
  readonly writtenMs?: number | undefined;
  readonly tokensPerSecond?: number | undefined;
  readonly draftedTokens?: number | undefined;
  readonly keptTokens?: number | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (value: unknown): Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};

function firstNumber(...values: readonly unknown[]): number | undefined {
  return values.find((value): value is number => typeof value === "number" && Number.isFinite(value) && value >= 0);
}

/**
 * @param usage OpenAI's
 * @param timings llama.cpp's, and what this server adds under `overfill`
 */
export function readFigures(usage: unknown, timings: unknown): Figures | undefined {
  const counts = fieldsOf(usage);
  const times = fieldsOf(timings);
  const stages = fieldsOf(times.overfill);
  const promptTokens = firstNumber(counts.prompt_tokens);
  const cachedTokens = firstNumber(fieldsOf(counts.prompt_tokens_details).cached_tokens, times.cache_n);
  const readMs = firstNumber(times.prompt_ms);
  const writtenTokens = firstNumber(counts.completion_tokens, times.predicted_n);
  const writtenMs = firstNumber(times.predicted_ms);
  const rest = promptTokens === undefined ? undefined : promptTokens - (cachedTokens ?? 0);
  const figures: Figures = {
    promptTokens,
    cachedTokens,
    readTokens: firstNumber(times.prompt_n, rest),
    readMs,
    handoverMs: firstNumber(stages.handover_ms),
    handoverKind: typeof stages.handover === "string" ? stages.handover : undefined,
    writtenTokens,
    writtenMs,
    tokensPerSecond: firstNumber(times.predicted_per_second) ?? perSecond(writtenTokens, writtenMs),
    draftedTokens: firstNumber(times.draft_n),
    keptTokens: firstNumber(times.draft_n_accepted),
  };
  return Object.values(figures).some((value) => value !== undefined) ? figures : undefined;
}

const perSecond = (tokens: number | undefined, ms: number | undefined): number | undefined =>
  tokens !== undefined && ms !== undefined && ms > 0 ? (tokens / ms) * 1000 : undefined;

export const formatCount = (count: number): string => Math.round(count).toLocaleString("en");

/** A time in the unit that leaves two or three digits of it. */
export function formatMs(ms: number): string {
  if (ms < 0.095) return `${Math.round(ms * 1000)} µs`;
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(ms < 9995 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** A time that is still running. */
export const formatClock = (ms: number): string => (ms < 59_950 ? `${(ms / 1000).toFixed(1)} s` : formatMs(ms));

const formatTokens = (count: number): string => `${formatCount(count)} ${Math.round(count) === 1 ? "token" : "tokens"}`;

export interface FigureRow {
  /** The stage that the row is about, by which it gets its colour; undefined where it is about none. */
  readonly stage?: "prefill" | "switch" | "decode";
  readonly name: string;
  readonly value: string;
  readonly note?: string | undefined;
}

const handoverNotes: Readonly<Record<string, string>> = { share: "same cache", translate: "translated" };

/** The figures as rows of a list, what is not known left out. */
export function figureRows(figures: Figures): readonly FigureRow[] {
  const { cachedTokens, readTokens, readMs, handoverMs, handoverKind, writtenTokens, writtenMs } = figures;
  const { tokensPerSecond, draftedTokens, keptTokens } = figures;
  const rows: FigureRow[] = [];
  const timed = (ms: number | undefined) => (ms === undefined ? undefined : formatMs(ms));
  if (readTokens !== undefined)
    rows.push({ stage: "prefill", name: "Read", value: formatTokens(readTokens), note: timed(readMs) });
  if (cachedTokens !== undefined) rows.push({ name: "Cached", value: formatTokens(cachedTokens) });
  if (handoverMs !== undefined)
    rows.push({
      stage: "switch",
      name: "Handover",
      value: formatMs(handoverMs),
      note: handoverKind === undefined ? undefined : (handoverNotes[handoverKind] ?? handoverKind),
    });
  if (writtenTokens !== undefined)
    rows.push({ stage: "decode", name: "Written", value: formatTokens(writtenTokens), note: timed(writtenMs) });
  if (tokensPerSecond !== undefined) rows.push({ name: "Speed", value: `${formatRate(tokensPerSecond)} tokens/s` });
  if (draftedTokens !== undefined && draftedTokens > 0 && keptTokens !== undefined)
    rows.push({ name: "Drafts", value: `${Math.round((keptTokens / draftedTokens) * 100)}% kept` });
  return rows;
}

const formatRate = (rate: number): string => (rate < 9.95 ? rate.toFixed(1) : formatCount(rate));

/** What part of the time each stage took, in order; empty where times are missing. */
export function stageShares({ readMs, handoverMs, writtenMs }: Figures): readonly {
  readonly stage: "prefill" | "switch" | "decode";
  readonly share: number;
}[] {
  if (readMs === undefined || writtenMs === undefined) return [];
  const total = readMs + (handoverMs ?? 0) + writtenMs;
  if (total <= 0) return [];
  return [
    { stage: "prefill", share: readMs / total },
    { stage: "switch", share: (handoverMs ?? 0) / total },
    { stage: "decode", share: writtenMs / total },
  ];
}
