/** A session whose prompts a server reads: their cells are fetched into the decode model's cache, which then goes on by itself. */

import { createError } from "../errors/create-error.js";
import { isAborted } from "../internal/abortable.js";
import type {
  NativeCells,
  NativeDecodeOptions,
  NativeHandoverReport,
  NativePrefillElsewhere,
  NativePrefillOptions,
  NativePrefillResult,
  NativeScores,
  NativeSession,
  NativeSessionStats,
  NativeStream,
} from "../internal/binding-types.js";
import type { GiveCells } from "./cells-answer.js";

/** Who reads. */
export interface Reader {
  readonly address: string;
  fetch(
    asked: { readonly tokens: Int32Array; readonly from: number; readonly deterministic: boolean },
    give: GiveCells,
    signal: AbortSignal,
  ): Promise<void>;
}

/** For what only a prefill model can do. */
export const refuseElsewhere = (feature: string, reason: string) =>
  createError("ERR_REMOTE_UNSUPPORTED", `the prefill model is not on this machine: ${reason}`, { feature });

function refuseChecks({ quality, refreshInterval, refreshBudget, writer }: NativeDecodeOptions): void {
  if (writer === 0) throw refuseElsewhere("writer", "it cannot write");
  if (quality !== undefined && (quality as string) !== "fast")
    throw refuseElsewhere("quality", "it cannot check what is written");
  if (refreshInterval > 0 || (refreshBudget ?? 0) > 0)
    throw refuseElsewhere("refresh", "it cannot read again what is being written");
}

export class SessionElsewhere implements NativeSession {
  readonly #native: NativeSession;
  readonly #reader: Reader;
  /** Of the prefill that runs. */
  #fetching: AbortController | undefined;
  /** Bytes of cells since the last switch. */
  #bytes = 0;

  constructor(native: NativeSession, reader: Reader) {
    this.#native = native;
    this.#reader = reader;
  }

  get isFetching(): boolean {
    return this.#fetching !== undefined;
  }

  async prefill(
    prompt: string | Int32Array,
    options: NativePrefillOptions,
    onProgress: ((done: number, total: number) => void) | undefined,
  ): Promise<NativePrefillResult> {
    if (!options.refresh)
      throw refuseElsewhere(
        "refresh: false",
        "what the decode model wrote is read again, since its cells are only here",
      );
    const prefill = this.#native.prefillElsewhere as NonNullable<NativeSession["prefillElsewhere"]>;
    const run = prefill.call(this.#native, prompt, options, onProgress);
    const fetching = new AbortController();
    let failed: { readonly error: unknown } | undefined;
    let isOver = false;
    const fetched = this.#fetch(run, options, fetching).catch((error: unknown) => {
      failed = { error };
      if (!isOver) this.#native.abort();
    });
    try {
      return await run.result;
    } catch (error) {
      throw failed && isAborted(error) ? failed.error : error;
    } finally {
      isOver = true;
      fetching.abort();
      await fetched;
    }
  }

  async #fetch(
    { wanted, give }: NativePrefillElsewhere,
    { deterministic }: NativePrefillOptions,
    fetching: AbortController,
  ): Promise<void> {
    const asked = await wanted;
    if (!asked || fetching.signal.aborted) return;
    this.#fetching = fetching;
    try {
      await this.#reader.fetch(
        { ...asked, deterministic },
        (nTokens, rows, hash, logits) => {
          this.#bytes += rows.byteLength;
          give(nTokens, rows, hash, logits);
        },
        fetching.signal,
      );
    } finally {
      if (this.#fetching === fetching) this.#fetching = undefined;
    }
  }

  async handOver(writer: number | undefined): Promise<NativeHandoverReport> {
    if (writer === 0) throw refuseElsewhere("writer", "it cannot write");
    const report = await this.#native.handOver(writer);
    const bytes = this.#bytes;
    this.#bytes = 0;
    return { ...report, bytes, reason: `the cells came from ${this.#reader.address}` };
  }

  decode(options: NativeDecodeOptions): NativeStream {
    refuseChecks(options);
    return this.#native.decode(options);
  }

  retract(tokens: number): Promise<void> {
    return this.#native.retract(tokens);
  }

  truncate(nTokens: number): Promise<void> {
    return this.#native.truncate(nTokens);
  }

  fork(to: NativeSession): Promise<void> {
    return this.#native.fork((to as SessionElsewhere).#native);
  }

  save(path: string, note: string, compress: boolean): Promise<void> {
    return this.#native.save(path, note, compress);
  }

  restore(path: string): Promise<{ readonly writer: string; readonly note: string }> {
    return this.#native.restore(path);
  }

  async score(): Promise<NativeScores> {
    throw refuseElsewhere("score", "it cannot say how likely a response is");
  }

  async giveCells(): Promise<NativeCells> {
    throw refuseElsewhere("cells", "cells are had where they are made");
  }

  abort(): void {
    this.#fetching?.abort();
    this.#native.abort();
  }

  stats(): NativeSessionStats {
    return this.#native.stats();
  }

  async dispose(): Promise<void> {
    this.#fetching?.abort();
    await this.#native.dispose();
  }
}
