/**
 * A pair whose prefill model is a server's (`/v1/prefill`), with the face of one of the addon: below it is a pair of the decode
 * model alone, whose sessions take cells from there where they would read a prompt (decisions/0024). Loaded only where it is
 * asked for.
 */

import type { PairLink } from "../engine/pair-link.js";
import type { CheckedService } from "../engine/service-validation.js";
import { createError } from "../errors/create-error.js";
import type {
  NativeCellFacts,
  NativeChatRequest,
  NativePair,
  NativePairInfo,
  NativePairMetrics,
  NativeSession,
} from "../internal/binding-types.js";
import { factsDigest } from "./cell-frames.js";
import { PrefillClient, type PrefillDescription } from "./prefill-client.js";
import { type Reader, refuseElsewhere, SessionElsewhere } from "./session-elsewhere.js";

const defaultTimeoutMs = 10_000;
const defaultStallTimeoutMs = 120_000;

/**
 * Asks the server what it reads with. Rejects with the codes of RemoteError, and with ERR_ABORTED.
 */
export async function linkService(
  service: CheckedService,
  remote: { readonly timeoutMs?: number | undefined; readonly stallTimeoutMs?: number | undefined },
  signal: AbortSignal,
): Promise<PairLink> {
  const { timeoutMs = defaultTimeoutMs, stallTimeoutMs = defaultStallTimeoutMs } = remote;
  const client = new PrefillClient(service, { timeoutMs, stallTimeoutMs });
  try {
    const described = await client.describe(signal);
    return {
      reader: described.reader,
      wrap: (native) => new PairElsewhere(native, client, described),
      close: async () => client.close(),
    };
  } catch (error) {
    client.close();
    throw error;
  }
}

/** Throws ERR_REMOTE_MISMATCH with all that differs. */
function compare(address: string, there: PrefillDescription["facts"], here: NativeCellFacts["facts"]): void {
  const names = [...new Set([...Object.keys(there), ...Object.keys(here)])];
  const differing = names.filter((name) => there[name] !== here[name]);
  if (differing.length === 0) return;
  const words = differing.map((name) => `${name} is ${there[name] ?? "none"} there and ${here[name] ?? "none"} here`);
  throw createError(
    "ERR_REMOTE_MISMATCH",
    `the decode model cannot go on from what ${address} reads: ${words.join("; ")}`,
    {
      address,
      ...Object.fromEntries(differing.map((name) => [name, `${there[name] ?? "none"} | ${here[name] ?? "none"}`])),
    },
  );
}

export class PairElsewhere implements NativePair {
  /** With the server's prefill model in its place. Rejects with ERR_REMOTE_MISMATCH, ERR_MODEL_UNSUPPORTED as well. */
  readonly loaded: Promise<NativePairInfo>;
  readonly #native: NativePair;
  readonly #client: PrefillClient;
  #reader: Reader | undefined;

  constructor(native: NativePair, client: PrefillClient, described: PrefillDescription) {
    this.#native = native;
    this.#client = client;
    this.loaded = this.#load(described);
    this.loaded.catch(() => {});
  }

  async #load(described: PrefillDescription): Promise<NativePairInfo> {
    const info = await this.#native.loaded;
    const { facts, bytesPerToken, vocabularySize } = await this.#native.cellFacts(1);
    compare(this.#client.address, described.facts, facts);
    const digest = factsDigest(facts);
    const client = this.#client;
    this.#reader = {
      address: client.address,
      fetch: (asked, give, signal) =>
        client.fetch({ ...asked, cacheFacts: digest, bytesPerToken, vocabularySize }, give, signal),
    };
    // What the server says is shown, and nothing is decided by it.
    return { ...info, prefill: { ...info.prefill, ...(described.prefill as object), adapters: [] } };
  }

  abortLoad(): void {
    this.#native.abortLoad();
  }

  createSession(
    priority: number,
    isBounded: boolean,
    writer: number,
    cacheKey: string,
  ): { readonly session: Promise<NativeSession>; readonly ticket: number } {
    if (writer === 0) throw refuseElsewhere("writer", "the prefill model cannot write");
    const { session, ticket } = this.#native.createSession(priority, isBounded, writer, cacheKey);
    const opened = session.then((native) => new SessionElsewhere(native, this.#reader as Reader));
    return { session: opened, ticket };
  }

  leaveQueue(ticket: number): void {
    this.#native.leaveQueue(ticket);
  }

  tokenize(text: string, addSpecial: boolean, parseSpecial: boolean): Int32Array {
    return this.#native.tokenize(text, addSpecial, parseSpecial);
  }

  detokenize(tokens: Int32Array, special: boolean): string {
    return this.#native.detokenize(tokens, special);
  }

  encode(line: string, closeResponse: boolean): ReturnType<NativePair["encode"]> {
    return this.#native.encode(line, closeResponse);
  }

  tokenizeLater(text: string, addSpecial: boolean, parseSpecial: boolean): Promise<Int32Array> {
    return this.#native.tokenizeLater(text, addSpecial, parseSpecial);
  }

  detokenizeLater(tokens: Int32Array, special: boolean): Promise<string> {
    return this.#native.detokenizeLater(tokens, special);
  }

  encodeLater(line: string, closeResponse: boolean): ReturnType<NativePair["encodeLater"]> {
    return this.#native.encodeLater(line, closeResponse);
  }

  renderChat(template: string, request: NativeChatRequest): ReturnType<NativePair["renderChat"]> {
    return this.#native.renderChat(template, request);
  }

  parseAnswer(...args: Parameters<NativePair["parseAnswer"]>): ReturnType<NativePair["parseAnswer"]> {
    return this.#native.parseAnswer(...args);
  }

  metrics(): NativePairMetrics {
    return this.#native.metrics();
  }

  cellFacts(): Promise<NativeCellFacts> {
    return Promise.reject(refuseElsewhere("cells", "cells are had where they are made"));
  }

  async dispose(): Promise<void> {
    try {
      await this.#native.dispose();
    } finally {
      this.#client.close();
    }
  }
}
