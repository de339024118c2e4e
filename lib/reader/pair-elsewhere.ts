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
import { type DescribedWriter, PrefillClient, type PrefillDescription } from "./prefill-client.js";
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

type Facts = NativeCellFacts["facts"];

function differences(there: Facts, here: Facts): readonly string[] {
  const names = [...new Set([...Object.keys(there), ...Object.keys(here)])];
  return names.filter((name) => there[name] !== here[name]);
}

/** The server's decode model that is this one. Throws ERR_REMOTE_MISMATCH with all that differs from the likest. */
function matching(address: string, { writers, facts }: PrefillDescription, here: Facts): DescribedWriter {
  const all = writers ?? [{ name: "", facts, shares: false }];
  const [likest] = all
    .map((writer) => ({ writer, differing: differences(writer.facts, here) }))
    .sort((a, b) => a.differing.length - b.differing.length);
  if (!likest) throw createError("ERR_REMOTE_INCOMPATIBLE", `${address} reads for no decode model`, { address });
  const { writer, differing } = likest;
  if (differing.length === 0) return writer;
  const there = writer.facts;
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

/** Throws ERR_REMOTE_UNSUPPORTED where the cells that came for one decode model are none for another one. */
function refuseApart(address: string, names: readonly string[], matches: readonly DescribedWriter[]): void {
  const apart = names.find((_, i) => matches[i]?.shares !== true);
  if (names.length < 2 || apart === undefined) return;
  throw createError(
    "ERR_REMOTE_UNSUPPORTED",
    `${address} translates for ${JSON.stringify(apart)}, whose cells so are no other's: load a pair for each decode model`,
    { feature: "decode" },
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
    const { address } = this.#client;
    const names = info.writers.map(({ name }) => name);
    const own: NativeCellFacts[] = [];
    for (const i of names.keys()) own.push(await this.#native.cellFacts(i + 1));
    const matches = own.map(({ facts }) => matching(address, described, facts));
    refuseApart(address, names, matches);
    // Where there are several, their cells are the same: the first stands for all of them.
    const { facts, bytesPerToken, vocabularySize } = own[0] as NativeCellFacts;
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
