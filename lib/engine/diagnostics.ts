/**
 * What is published on `node:diagnostics_channel` when a stage has ended. No event has any text of a prompt or an answer. While
 * nobody has subscribed to a channel, nothing is made for it.
 */

import { type Channel, channel } from "node:diagnostics_channel";
import type { DecodeResult, FinishReason, HandoverReport, PrefillResult } from "./results.js";

/** What every event has. */
export interface StageEvent {
  /** {@link Pair.id} and {@link Session.id}. */
  readonly pairId: number;
  readonly sessionId: number;
  /**
   * How the stage ended. `abort`: by its signal, or because the reader left the answer. `error`: by anything else, the disposal
   * of the session or its pair included.
   */
  readonly outcome: "ok" | "error" | "abort";
  /** With outcome `error`: the error's `code`, such as ERR_CONTEXT_OVERFLOW. Absent where the error has none. */
  readonly errorCode?: string;
  /** Milliseconds from the call to the end, as the caller saw them: waiting for other sessions included. */
  readonly ms: number;
}

/** On `overfill:prefill`. The counts are 0 unless the outcome is `ok`. */
export interface PrefillEvent extends StageEvent {
  /** Tokens that the prefill model has read: those of the prompt that are new, and the refreshed ones. */
  readonly tokens: number;
  /** See {@link PrefillResult}. */
  readonly promptTokens: number;
  readonly keptTokens: number;
  readonly refreshedTokens: number;
}

/** On `overfill:switch`. The counts are 0 unless the outcome is `ok`. */
export interface SwitchEvent extends StageEvent {
  /** Tokens handed over. */
  readonly tokens: number;
  /** Bytes written to the decode model's cache. */
  readonly bytes: number;
  /** How, with outcome `ok`; see {@link HandoverReport}. */
  readonly kind?: "share" | "translate";
  readonly implementation?: "share" | "cpu" | "graph" | "cuda" | "metal";
}

/** On `overfill:decode`, when an answer has ended. `ms` is from the first read on, and waiting for the reader is included. */
export interface DecodeEvent extends StageEvent {
  /** Tokens of the answer that the session keeps; after an error, those that were read. */
  readonly tokens: number;
  /** Tokens that the decode model read; 0 after an error. */
  readonly decodeSteps: number;
  /** Milliseconds that the engine spent on the answer: waiting for the reader is not counted. 0 after an error. */
  readonly engineMs: number;
  /** Absent after an error. */
  readonly finishReason?: FinishReason;
}

/**
 * On `overfill:refresh`, before the event of the stage that the prefill model read again in: once for an answer with refreshes,
 * with their totals, and once for a prefill that refreshed what was written before it. Not after an error.
 */
export interface RefreshEvent extends Omit<StageEvent, "ms"> {
  readonly within: "prefill" | "decode";
  /** Refreshes: 1 in a prefill. */
  readonly refreshes: number;
  /** Tokens that were read again. */
  readonly tokens: number;
  /** Milliseconds that the engine spent on them; absent in a prefill, which reads them together with the prompt. */
  readonly ms?: number;
}

/** The events by the names of their channels. */
export interface DiagnosticsEvents {
  "overfill:prefill": PrefillEvent;
  "overfill:switch": SwitchEvent;
  "overfill:decode": DecodeEvent;
  "overfill:refresh": RefreshEvent;
}

/** Whose stage it was. */
export type StageOrigin = Pick<StageEvent, "pairId" | "sessionId">;

interface StageFailure {
  readonly error: unknown;
  /** By which the caller may have asked for it. */
  readonly signal: AbortSignal | undefined;
}

/** How a stage ended, after how many milliseconds. */
export type StageEnd<Result> = ({ readonly result: Result } | StageFailure) & { readonly ms: number };

// Held for good: a channel that nobody holds is forgotten, and asking for it by name takes a look-up.
const channels: Readonly<Record<keyof DiagnosticsEvents, Channel>> = {
  "overfill:prefill": channel("overfill:prefill"),
  "overfill:switch": channel("overfill:switch"),
  "overfill:decode": channel("overfill:decode"),
  "overfill:refresh": channel("overfill:refresh"),
};

/** `event` is called only if there is a subscriber. */
function publish<Name extends keyof DiagnosticsEvents>(name: Name, event: () => DiagnosticsEvents[Name]): void {
  if (channels[name].hasSubscribers) channels[name].publish(event());
}

/** Runs a stage and tells its end. */
export async function observed<Result>(
  work: () => Promise<Result>,
  signal: AbortSignal | undefined,
  tell: (end: StageEnd<Result>) => void,
): Promise<Result> {
  const begin = performance.now();
  try {
    const result = await work();
    tell({ result, ms: performance.now() - begin });
    return result;
  } catch (error) {
    tell({ error, signal, ms: performance.now() - begin });
    throw error;
  }
}

export function publishPrefill(origin: StageOrigin, end: StageEnd<PrefillResult>): void {
  const result = resultOf(end);
  if (result && result.refreshedTokens > 0)
    publish("overfill:refresh", () => ({
      ...origin,
      outcome: "ok",
      within: "prefill",
      refreshes: 1,
      tokens: result.refreshedTokens,
    }));
  publish("overfill:prefill", () => {
    const { promptTokens, keptTokens, refreshedTokens } = result ?? noPrefill;
    const tokens = promptTokens + refreshedTokens;
    return { ...stageEvent(origin, end), tokens, promptTokens, keptTokens, refreshedTokens };
  });
}

export function publishSwitch(origin: StageOrigin, end: StageEnd<HandoverReport>): void {
  publish("overfill:switch", () => {
    const result = resultOf(end);
    const how = result && { kind: result.kind, implementation: result.implementation };
    return { ...stageEvent(origin, end), tokens: result?.tokens ?? 0, bytes: result?.bytes ?? 0, ...how };
  });
}

/** @param nRead tokens that were read of the answer */
export function publishDecode(origin: StageOrigin, end: StageEnd<DecodeResult>, nRead: number): void {
  const result = resultOf(end);
  const stage = (): StageEvent => ({
    ...stageEvent(origin, end),
    ...(result?.reason === "abort" && { outcome: "abort" }),
  });
  if (result && result.refreshedTokens > 0)
    publish("overfill:refresh", () => {
      const { refreshes, refreshedTokens: tokens, refreshMs: ms } = result;
      return { ...stage(), within: "decode", refreshes, tokens, ms };
    });
  publish("overfill:decode", () => ({
    ...stage(),
    tokens: result?.tokens ?? nRead,
    decodeSteps: result?.decodeSteps ?? 0,
    engineMs: result?.ms ?? 0,
    ...(result && { finishReason: result.reason }),
  }));
}

const noPrefill: Pick<PrefillResult, "promptTokens" | "keptTokens" | "refreshedTokens"> = {
  promptTokens: 0,
  keptTokens: 0,
  refreshedTokens: 0,
};

const resultOf = <Result>(end: StageEnd<Result>): Result | undefined => ("result" in end ? end.result : undefined);

function stageEvent<Result>(origin: StageOrigin, end: StageEnd<Result>): StageEvent {
  return { ...origin, ...("error" in end ? failureOf(end) : { outcome: "ok" }), ms: end.ms };
}

function failureOf({ error, signal }: StageFailure): Pick<StageEvent, "outcome" | "errorCode"> {
  if (signal?.aborted && error === signal.reason) return { outcome: "abort" };
  const code = (error as { readonly code?: unknown } | null | undefined)?.code;
  return { outcome: "error", ...(typeof code === "string" && { errorCode: code }) };
}
