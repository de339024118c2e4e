/**
 * Asks a prefill server (`/v1/prefill` of `overfill serve`) what it reads with, and for the cells of a text. Knows HTTP and the
 * frames (cell-frames.ts) and nothing of pairs.
 */

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import { createError } from "../errors/create-error.js";
import { cellsType, cellsVersion, type Frame, FrameReader, jsonOf } from "./cell-frames.js";
import { CellsAnswer, type CellsQuestion, type GiveCells } from "./cells-answer.js";
import { ExchangeWatch } from "./exchange-watch.js";
import { readKeyFile } from "./key-file.js";

/** A server, as the options name it. */
export interface PrefillAddress {
  /** Of the server, or with the path that its handler is mounted at. */
  readonly url: string;
  readonly key: string | undefined;
  /** A file with the key. */
  readonly keyFile: string | undefined;
  readonly model: string | undefined;
  /** A file with the certificates to trust in place of the system's. */
  readonly caFile: string | undefined;
}

export interface PrefillPatience {
  readonly timeoutMs: number;
  readonly stallTimeoutMs: number;
}

/** What a server says of itself. */
export interface PrefillDescription {
  readonly model: string;
  /** What cells depend on. */
  readonly facts: Readonly<Record<string, string>>;
  /** Which model reads. */
  readonly reader: string;
  readonly bytesPerToken: number;
  readonly vocabularySize: number;
  readonly contextSize: number;
  /** The decode models that it reads for; absent: one, which `facts` are of. */
  readonly writers?: readonly DescribedWriter[];
  /** The prefill model, as a pair's `info` has it. */
  readonly prefill: Readonly<Record<string, unknown>>;
}

/** A decode model that a server reads for. */
export interface DescribedWriter {
  readonly name: string;
  readonly facts: Readonly<Record<string, string>>;
  /** Its cells are the prefill model's own. */
  readonly shares: boolean;
}

/** What an answer that is no cells may have. */
const mostTextBytes = 2 ** 20;

export class PrefillClient {
  readonly address: string;
  readonly #server: PrefillAddress;
  readonly #key: string | undefined;
  readonly #patience: PrefillPatience;
  readonly #agent: http.Agent;

  /** Throws ERR_FILE_READ_FAILED for a file that cannot be read, and ERR_REMOTE_KEY_INVALID for one without a key. */
  constructor(server: PrefillAddress, patience: PrefillPatience) {
    this.address = new URL(server.url).origin;
    this.#server = server;
    this.#key = server.keyFile === undefined ? server.key : readKeyFile(server.keyFile);
    this.#patience = patience;
    const isSecure = server.url.startsWith("https:");
    this.#agent = isSecure
      ? new https.Agent({ keepAlive: true, ...(server.caFile !== undefined && { ca: certificates(server.caFile) }) })
      : new http.Agent({ keepAlive: true });
  }

  /** Rejects with the codes of RemoteError; with ERR_ABORTED where `signal` comes. */
  async describe(signal: AbortSignal): Promise<PrefillDescription> {
    const { model } = this.#server;
    const query = model === undefined ? "" : `?model=${encodeURIComponent(model)}`;
    const { timeoutMs } = this.#patience;
    const watch = this.#watch(signal, timeoutMs);
    try {
      const response = await this.#ask("GET", `/v1/prefill${query}`, undefined, watch);
      if (response.statusCode !== 200) throw await this.#refusal(response);
      const told = await this.#textOf(response);
      watch.isWhole = true;
      return this.#descriptionOf(told);
    } catch (error) {
      throw watch.reasonFor(error);
    } finally {
      watch.end();
    }
  }

  /**
   * Has a text read, and gives its cells as they come: the last of them with the logits, when the answer has ended well.
   * Rejects as `describe`.
   */
  async fetch(question: CellsQuestion, give: GiveCells, signal: AbortSignal): Promise<void> {
    const { tokens, from, deterministic, cacheFacts } = question;
    const nonce = randomBytes(16).toString("hex");
    const body = JSON.stringify({
      ...{
        model: this.#server.model,
        version: cellsVersion,
        facts: cacheFacts,
        nonce,
        deterministic,
        from,
        tokens: [...tokens],
      },
    });
    const watch = this.#watch(signal, this.#patience.stallTimeoutMs);
    try {
      const response = await this.#ask("POST", "/v1/prefill", body, watch);
      if (response.statusCode !== 200) throw await this.#refusal(response);
      if (response.headers["content-type"] !== cellsType) throw this.#notPrefill("an answer of another type");
      const answer = new CellsAnswer(question, nonce, give);
      const frames = new FrameReader();
      for await (const piece of response) {
        watch.moved();
        for (const one of frames.push(piece as Buffer)) {
          if (one.kind === "failed") throw this.#failed(one);
          answer.take(one);
        }
      }
      answer.end();
      watch.isWhole = true;
    } catch (error) {
      throw watch.reasonFor(error);
    } finally {
      watch.end();
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #ask(method: string, path: string, body: string | undefined, watch: ExchangeWatch): Promise<http.IncomingMessage> {
    const base = this.#server.url.replace(/\/+$/, "");
    const headers = {
      ...(this.#key !== undefined && { authorization: `Bearer ${this.#key}` }),
      ...(body !== undefined && { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
    };
    const { request } = base.startsWith("https:") ? https : http;
    return new Promise((resolve, reject) => {
      const sent = request(`${base}${path}`, { method, headers, agent: this.#agent, signal: watch.signal });
      sent.once("socket", (socket) => {
        if (socket.connecting) watch.connecting(socket, this.#patience.timeoutMs);
      });
      sent.once("response", (response) => {
        watch.moved();
        watch.answered = true;
        resolve(response);
      });
      sent.on("error", reject);
      sent.end(body);
    });
  }

  #watch(signal: AbortSignal, stallMs: number): ExchangeWatch {
    return new ExchangeWatch(signal, stallMs, this.address);
  }

  async #textOf(response: http.IncomingMessage): Promise<string> {
    const pieces: Buffer[] = [];
    let size = 0;
    for await (const piece of response) {
      size += (piece as Buffer).length;
      if (size > mostTextBytes) throw this.#notPrefill("a longer answer than any has");
      pieces.push(piece as Buffer);
    }
    return Buffer.concat(pieces).toString("utf8");
  }

  #descriptionOf(text: string): PrefillDescription {
    let told: Partial<PrefillDescription & { readonly object: string; readonly version: number }>;
    try {
      told = JSON.parse(text) ?? {};
    } catch {
      throw this.#notPrefill("what it says is no JSON");
    }
    if (told.object !== "prefill") throw this.#notPrefill("it offers no prefill");
    if (told.version !== cellsVersion)
      throw createError("ERR_REMOTE_INCOMPATIBLE", `${this.address} speaks another version of /v1/prefill`, {
        ...{ address: this.address, expected: String(cellsVersion), actual: String(told.version) },
      });
    const isSound =
      typeof told.reader === "string" &&
      isFacts(told.facts) &&
      (told.writers === undefined ||
        (Array.isArray(told.writers) && told.writers.every((one) => isFacts(one?.facts)))) &&
      [told.bytesPerToken, told.vocabularySize, told.contextSize].every(
        (n) => Number.isSafeInteger(n) && Number(n) > 0,
      );
    if (!isSound) throw this.#notPrefill("what it says of itself makes no sense");
    return told as PrefillDescription;
  }

  #notPrefill(reason: string): Error {
    const message = `${this.address} is no prefill server: ${reason}`;
    return createError("ERR_REMOTE_INCOMPATIBLE", message, { address: this.address });
  }

  /** An answer that is not 200, as an error. */
  async #refusal(response: http.IncomingMessage): Promise<Error> {
    const { statusCode: status = 0 } = response;
    const text = await this.#textOf(response);
    let told: { readonly message?: unknown; readonly code?: unknown } & Record<string, unknown> = {};
    try {
      told = JSON.parse(text)?.error ?? {};
    } catch {}
    return this.#errorOf(status, String(told.code ?? ""), String(told.message ?? ""), told);
  }

  #failed({ content }: Frame): Error {
    const { status, code, message } = jsonOf(content);
    return this.#errorOf(Number(status), String(code), String(message), {});
  }

  #errorOf(status: number, code: string, message: string, told: Readonly<Record<string, unknown>>): Error {
    const { address } = this;
    // A server may say anything, and not all of it is for logs.
    const said = message.replace(/[^\x20-\x7e]/g, " ").slice(0, 300);
    if (status === 401 || status === 403)
      return createError("ERR_REMOTE_REFUSED", `${address} refuses to serve: ${said}`, { address });
    if (status === 409 && code === "cells_mismatch")
      return createError("ERR_REMOTE_MISMATCH", `${address} has other models than before: load the pair again`, {
        address,
      });
    if (code === "context_length_exceeded")
      return createError("ERR_CONTEXT_OVERFLOW", `the prompt does not fit into the context of ${address}: ${said}`, {
        ...(typeof told.n_prompt_tokens === "number" && { promptTokens: told.n_prompt_tokens }),
        ...(typeof told.n_ctx === "number" && { contextSize: told.n_ctx }),
      });
    if (code === "cells_unsupported")
      return createError("ERR_REMOTE_UNSUPPORTED", `${address} cannot read for others: ${said}`, { feature: "memory" });
    if ((status === 404 || status === 405) && code !== "model_not_found")
      return this.#notPrefill(`it answers ${status}`);
    return createError("ERR_REMOTE_FAILED", `${address} did not read the prompt (${status}): ${said}`, {
      ...{ address, status },
      ...(code !== "" && { reason: code.slice(0, 100) }),
    });
  }
}

const isFacts = (facts: unknown): boolean =>
  typeof facts === "object" && facts !== null && Object.values(facts).every((value) => typeof value === "string");

function certificates(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw createError("ERR_FILE_READ_FAILED", `${file} cannot be read`, { path: file }, cause);
  }
}
