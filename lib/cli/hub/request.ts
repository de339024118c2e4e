/**
 * One question to a server: redirects are followed here, so that the token goes to the endpoint and not to where it leads;
 * what may pass by itself is asked again; and what does not is told by what can be done about it.
 */

import { setTimeout as delay } from "node:timers/promises";
import { limitSilence, type SilenceLimit } from "../../internal/silence-limit.js";
import { DownloadFault } from "./faults.js";

export interface RequestRules {
  readonly endpoint: URL;
  readonly token: string | undefined;
  readonly signal: AbortSignal;
  /** Milliseconds without a byte after which a server counts as gone. @default 30000 */
  readonly stallMs?: number;
  /** How often one thing is asked without anything coming of it. @default 6 */
  readonly attempts?: number;
  /** Waits before the next try. @default a timer */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<unknown>;
  /** Told before a wait that somebody at a terminal would notice. */
  readonly onRetry?: (reason: string, waitMs: number) => void;
}

export interface Question {
  readonly url: URL;
  readonly method?: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  /** How it is named when it fails. */
  readonly what: string;
  /** Whether a redirect to another server is followed. @default true */
  readonly leaves?: boolean;
}

export interface Answer {
  readonly response: Response;
  /** Of every response on the way, the first with the name. */
  header(name: string): string | undefined;
}

const mostRedirects = 10;
/** A server that wants more than this to pass is not waited for. */
const longestWaitMs = 10 * 60_000;
const passing = [408, 425, 429, 500, 502, 503, 504];

/** A failure that may pass by itself. */
export class PassingFault extends DownloadFault {
  constructor(
    message: string,
    /** What the server has asked for. */
    readonly waitMs?: number,
    options?: ErrorOptions,
  ) {
    super("ERR_DOWNLOAD_FAILED", message, options);
  }
}

/** Asks for no body until there is an answer. Rejects with a {@link DownloadFault}, or with the signal's reason. */
export function ask(question: Omit<Question, "method">, rules: RequestRules): Promise<Answer> {
  return persist(rules, () => askOnce({ ...question, method: "HEAD" }, rules, rules.signal));
}

/**
 * Does something again until it succeeds, waiting longer each time.
 *
 * @param progressed whether the last try got anywhere, after which the count begins anew
 */
export async function persist<Result>(
  rules: RequestRules,
  attempt: () => Promise<Result>,
  progressed: () => boolean = () => false,
): Promise<Result> {
  const { attempts = 6, pause = (ms, signal) => delay(ms, undefined, { signal }), signal } = rules;
  for (let failures = 1; ; failures++) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (progressed()) failures = 1;
      if (!(error instanceof PassingFault) || failures >= attempts) throw error;
      // Not all at the same moment, where several were cut at once.
      const waitMs = error.waitMs ?? Math.min(30_000, 500 * 2 ** failures) * (0.5 + Math.random() / 2);
      if (waitMs > longestWaitMs)
        throw new DownloadFault(
          "ERR_DOWNLOAD_FAILED",
          `${error.message}; it asks to wait for ${Math.round(waitMs / 60_000)} minutes`,
        );
      rules.onRetry?.(error.message, waitMs);
      await pause(waitMs, signal).catch((reason) => {
        signal.throwIfAborted();
        throw reason;
      });
    }
  }
}

/**
 * Asks once. Whoever gets the answer has to read or cancel its body. Rejects with a {@link PassingFault} for what is worth
 * another try.
 */
export async function askOnce(question: Question, rules: RequestRules, signal: AbortSignal): Promise<Answer> {
  const { method = "GET", headers = {}, leaves = true, what } = question;
  const passed: Headers[] = [];
  let { url } = question;
  for (let redirects = 0; ; redirects++) {
    const response = await send(url, method, { ...headers, ...credentials(url, rules) }, what, rules, signal);
    passed.push(response.headers);
    const header = (name: string) => passed.map((one) => one.get(name)).find((value) => value !== null) ?? undefined;
    const location = response.headers.get("location");
    if (response.status < 300 || response.status >= 400 || location === null) {
      if (response.ok) return { response, header };
      throw await statusFault(response, what, rules);
    }
    const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
    if (!leaves && next?.origin !== url.origin) return { response, header };
    await response.body?.cancel();
    if (!next || !/^https?:$/.test(next.protocol) || redirects >= mostRedirects)
      throw new DownloadFault("ERR_DOWNLOAD_FAILED", `${what}: ${url.host} redirects to nowhere`);
    if (url.protocol === "https:" && next.protocol !== "https:")
      throw new DownloadFault(
        "ERR_DOWNLOAD_FAILED",
        `${what}: ${url.host} redirects to a connection that is not secure`,
      );
    url = next;
  }
}

const isThisMachine = (host: string): boolean => /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(host);

/** The token is for the endpoint, and goes over no line that others can read. */
function credentials(url: URL, { endpoint, token }: RequestRules): Record<string, string> {
  const isSafe = url.protocol === "https:" || isThisMachine(url.hostname);
  return token !== undefined && url.origin === endpoint.origin && isSafe ? { authorization: `Bearer ${token}` } : {};
}

async function send(
  url: URL,
  method: string,
  headers: Readonly<Record<string, string>>,
  what: string,
  { stallMs = 30_000 }: RequestRules,
  signal: AbortSignal,
): Promise<Response> {
  const silence = new AbortController();
  const limit = limitSilence(stallMs, () => silence.abort());
  try {
    return await fetch(url, {
      method,
      redirect: "manual",
      // Lengths and ranges are those of the file.
      headers: { "user-agent": "overfill", "accept-encoding": "identity", ...headers },
      signal: AbortSignal.any([signal, silence.signal]),
    });
  } catch (error) {
    signal.throwIfAborted();
    if (silence.signal.aborted) throw new PassingFault(`${what}: ${url.host} does not answer`);
    throw new PassingFault(`${what}: no connection to ${url.host}: ${reasonOf(error)}`, undefined, { cause: error });
  } finally {
    limit.cancel();
  }
}

/**
 * The pieces of a body as they come. Rejects with a {@link PassingFault} where the line is cut, or where nothing comes.
 *
 * @param attempt whose signal the question was asked with
 */
export async function* chunksOf(
  response: Response,
  what: string,
  { stallMs = 30_000, signal }: RequestRules,
  attempt: AbortController,
): AsyncGenerator<Uint8Array, void> {
  let limit: SilenceLimit | undefined;
  const watch = () => {
    limit = limitSilence(stallMs, () => attempt.abort());
  };
  try {
    watch();
    for await (const chunk of response.body ?? []) {
      limit?.cancel();
      yield chunk as Uint8Array;
      watch();
    }
  } catch (error) {
    signal.throwIfAborted();
    const { host } = new URL(response.url);
    if (attempt.signal.aborted) throw new PassingFault(`${what}: ${host} sends nothing more`);
    throw new PassingFault(`${what}: ${host} has cut the line: ${reasonOf(error)}`, undefined, { cause: error });
  } finally {
    limit?.cancel();
  }
}

/** `fetch` hides what happened in the cause, and a name with several addresses in a list of causes. */
export function reasonOf(error: unknown): string {
  const { cause, message, code, errors } = error as Error & { readonly code?: string; readonly errors?: unknown[] };
  if (cause !== undefined) return reasonOf(cause);
  if (message === "" && errors?.[0] !== undefined) return reasonOf(errors[0]);
  return message || String(code ?? error);
}

/** Milliseconds to wait, from seconds or a date. */
export function waitOf(retryAfter: string | null, now = Date.now()): number | undefined {
  if (retryAfter === null) return undefined;
  if (/^\s*\d+(\.\d+)?\s*$/.test(retryAfter)) return Number(retryAfter) * 1000;
  const at = Date.parse(retryAfter);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

async function statusFault(
  response: Response,
  what: string,
  { endpoint, token }: RequestRules,
): Promise<DownloadFault> {
  const { status, headers } = response;
  const host = new URL(response.url).host;
  await response.body?.cancel();
  if (passing.includes(status))
    return new PassingFault(`${what}: ${host} answers ${status}`, waitOf(headers.get("retry-after")));
  const reason = headers.get("x-error-code");
  const signIn = token === undefined ? "give a token of yours by HF_TOKEN" : "the token of HF_TOKEN does not allow it";
  const isHub = host === endpoint.host;
  if (reason === "GatedRepo")
    return new DownloadFault(
      "ERR_DOWNLOAD_REFUSED",
      `${what} is gated: accept its terms at its page on ${host}, then ${token === undefined ? signIn : `see that the token of HF_TOKEN is yours`}`,
    );
  if (status === 404 || status === 410 || reason === "RevisionNotFound" || reason === "EntryNotFound")
    return new DownloadFault("ERR_DOWNLOAD_NOT_FOUND", `${what} is not there (${host} answers ${status})`);
  // The Hub says so of private repositories and of those that there are not.
  if (isHub && status === 401)
    return new DownloadFault("ERR_DOWNLOAD_REFUSED", `${what} is not there, or is private: ${signIn}`);
  if (status === 401 || status === 403)
    return new DownloadFault(
      "ERR_DOWNLOAD_REFUSED",
      `${what} is refused (${host} answers ${status})${isHub ? `: ${signIn}` : ""}`,
    );
  return new DownloadFault("ERR_DOWNLOAD_FAILED", `${what}: ${host} answers ${status}`);
}
