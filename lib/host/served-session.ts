/** A session of the host's own addon, which is saved whenever a turn has ended, if the app wants that. */

import { createError, createNativeError } from "../errors/create-error.js";
import type {
  NativeDecodeOptions,
  NativePrefillOptions,
  NativeSession,
  NativeSessionStats,
  NativeStream,
} from "../internal/binding-types.js";

/** Methods that an app may call, beside those with a treatment of their own. */
const methods: Readonly<
  Record<string, (session: NativeSession, args: readonly unknown[], report?: Report) => Promise<unknown>>
> = {
  prefill: (session, [prompt, options], report) =>
    session.prefill(prompt as string | Int32Array, options as NativePrefillOptions, report),
  handOver: (session, [writer]) => session.handOver(writer as number | undefined),
  giveCells: (session, [from, nTokens, withLogits]) =>
    session.giveCells(from as number, nTokens as number, withLogits as boolean),
  retract: (session, [tokens]) => session.retract(tokens as number),
  truncate: (session, [nTokens]) => session.truncate(nTokens as number),
  save: (session, [path, note, compress]) => session.save(path as string, note as string, compress as boolean),
  restore: (session, [path]) => session.restore(path as string),
  score: (session, args) => session.score(...(args as Parameters<NativeSession["score"]>)),
};

/** Those that change what a finished turn has left. */
const endsTurn = new Set(["retract", "truncate", "restore"]);

type Report = ((done: number, total: number) => void) | undefined;

export class ServedSession {
  readonly #native: NativeSession;
  readonly #checkpoint: string;
  readonly #onCheckpoint: (isSaved: boolean, failure: string | undefined) => void;
  /** The save that runs; calls wait for it. */
  #saving: Promise<void> | undefined;
  /** Calls that wait, which an abort refuses. */
  #waiting: (() => void)[] = [];
  #stats: NativeSessionStats;
  #disposed = false;

  /** @param checkpoint the file; "" for none */
  constructor(
    native: NativeSession,
    checkpoint: string,
    onCheckpoint: (isSaved: boolean, failure: string | undefined) => void,
  ) {
    this.#native = native;
    this.#checkpoint = checkpoint;
    this.#onCheckpoint = onCheckpoint;
    this.#stats = native.stats();
  }

  get isSaving(): boolean {
    return this.#saving !== undefined;
  }

  get isFetching(): boolean {
    return this.#native.isFetching === true;
  }

  async call(method: string, args: readonly unknown[], report: Report): Promise<unknown> {
    const run = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (!run) throw createError("ERR_INTERNAL", `a session in a host knows no ${method}`, {});
    if (this.#saving) await this.#inTurn();
    const value = await run(this.#native, args, report);
    if (endsTurn.has(method)) this.answered();
    return value;
  }

  async fork(twin: ServedSession): Promise<void> {
    if (this.#saving) await this.#inTurn();
    await this.#native.fork(twin.#native);
    twin.answered();
  }

  async decode(options: NativeDecodeOptions): Promise<NativeStream> {
    if (this.#saving) await this.#inTurn();
    return this.#native.decode(options);
  }

  /** A turn has ended. */
  answered(): void {
    if (this.#checkpoint === "" || this.#disposed || this.#saving) return;
    this.#saving = this.#save().finally(() => {
      this.#saving = undefined;
    });
  }

  async #save(): Promise<void> {
    try {
      await this.#native.save(this.#checkpoint, "", false);
      this.#onCheckpoint(true, undefined);
    } catch (error) {
      if (this.#disposed) return;
      this.#onCheckpoint(false, `the session was not saved: ${(error as Error).message}`);
    }
  }

  abort(): void {
    // The save is the host's own concern; what the app asked for waits behind it.
    if (this.#saving) for (const refuse of this.#waiting.splice(0)) refuse();
    else this.#native.abort();
  }

  stats(): NativeSessionStats {
    if (!this.#disposed) this.#stats = this.#native.stats();
    return this.#stats;
  }

  dispose(): Promise<void> {
    this.#disposed = true;
    return this.#native.dispose();
  }

  /** Waits for the end of the save. */
  #inTurn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const refuse = () => reject(createNativeError("ERR_ABORTED", "the call was aborted", {}));
      this.#waiting.push(refuse);
      void this.#saving?.then(() => {
        this.#waiting = this.#waiting.filter((other) => other !== refuse);
        resolve();
      });
    });
  }
}
