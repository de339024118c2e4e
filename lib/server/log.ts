/** A line for each request, through pino. */

import { pino } from "pino";
import type { LogOptions } from "./options.js";

/** What is told of a request when it has ended. */
export interface RequestFacts {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly ms: number;
  readonly key?: string | undefined;
  readonly model?: string | undefined;
  readonly promptTokens?: number | undefined;
  readonly cachedTokens?: number | undefined;
  readonly completionTokens?: number | undefined;
  /** With {@link LogOptions.bodies}. */
  readonly body?: unknown;
  readonly error?: unknown;
}

export interface ServerLog {
  request(facts: RequestFacts): void;
  event(message: string, facts?: Readonly<Record<string, unknown>>): void;
}

const silent: ServerLog = { request: () => {}, event: () => {} };

/** A terminal must not be told anything by what clients send. */
const visible = (text: string) =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (letter) => `\\x${letter.charCodeAt(0).toString(16).padStart(2, "0")}`);

/** JSON lines as lines for people. */
function asText(line: string): string {
  const { time, level: _level, msg, ...facts } = JSON.parse(line) as Record<string, unknown>;
  const { requestId, method, path, status, ms, model, error, ...more } = facts;
  const at = new Date(Number(time)).toISOString().slice(11, 23);
  const begin = method === undefined ? [msg] : [method, path, status, `${Math.round(Number(ms))} ms`, model, requestId];
  const told = Object.entries(more).map(
    ([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : value}`,
  );
  // The trace is in the lines for machines.
  const failure = error === undefined ? [] : [`error=${(error as { readonly message?: unknown }).message ?? error}`];
  const words = [at, ...begin, ...told, ...failure].filter((word) => word !== undefined && word !== "");
  return `${visible(words.join(" "))}\n`;
}

const levelOf = (status: number) => (status >= 500 ? "error" : status >= 400 ? "warn" : "info");

/** A failure's code, message and trace; nothing of a request's body is in them. */
const errorFacts = (error: unknown) => {
  if (!(error instanceof Error)) return error === undefined ? undefined : { message: String(error) };
  const { code } = error as { readonly code?: unknown };
  return { code, message: error.message, stack: error.stack };
};

export function openLog(options: LogOptions | false | undefined): ServerLog {
  if (!options) return silent;
  const { format = "json", level = "info", write = (line: string) => process.stderr.write(line) } = options;
  const destination = { write: (line: string) => void write(format === "text" ? asText(line) : line) };
  const logger = pino({ level, base: null }, destination);
  return {
    request({ error, body, ...facts }) {
      const shown = options.bodies === true ? { body } : {};
      const cause = facts.status >= 500 ? errorFacts(error) : undefined;
      logger[levelOf(facts.status)]({ ...facts, ...shown, ...(cause && { error: cause }) }, "request");
    },
    event: (message, facts = {}) => logger.info(facts, message),
  };
}
