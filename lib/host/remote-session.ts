/** A session in a host, with the face of one of the addon. */

import { resolve as absolutePath } from "node:path";
import { AbortedError, createError } from "../errors/create-error.js";
import type {
  NativeCells,
  NativeDecodeOptions,
  NativeHandoverReport,
  NativePrefillOptions,
  NativePrefillResult,
  NativeScores,
  NativeSession,
  NativeSessionStats,
  NativeStream,
} from "../internal/binding-types.js";
import type { EngineHost } from "./engine-host.js";
import type { CallOptions, HostLife } from "./host-life.js";
import type { HostState } from "./protocol.js";
import { abortedReading, RemoteStream } from "./remote-stream.js";

/** What opens a session's place again in another life. */
export interface SessionPlace {
  readonly writer: number;
  readonly cacheKey: string;
  /** Where the host saves the session at turn ends; "": nowhere. */
  readonly checkpoint: string;
}

/** Where a session is in one life of its host. */
export interface Stay {
  readonly life: HostLife;
  readonly number: number;
}

interface Whereabouts {
  readonly host: EngineHost;
  readonly checkpoint: string;
  stay: Stay;
}

/** Gives back the places of sessions that nobody holds any more. */
const forgotten = new FinalizationRegistry<Whereabouts>(({ stay, host, checkpoint }) => {
  stay.life.forget(stay.number);
  const gone = stay.life.end ? Promise.resolve() : stay.life.call(stay.number, "dispose", []);
  // Where the host ends meanwhile, the file goes with the pair.
  gone.then(() => host.removeCheckpoint(checkpoint)).catch(() => {});
});

const computing = { computes: true } as const;

/** Calls that leave a session other than its checkpoint has it. */
const changing = new Set(["prefill", "handOver", "retract", "truncate", "restore"]);

export class RemoteSession implements NativeSession {
  readonly #host: EngineHost;
  readonly #place: SessionPlace;
  /** Shared with the registry, which must not hold the session itself. */
  readonly #at: Whereabouts;
  #stats: NativeSessionStats;
  /** Whether there is a checkpoint. */
  #isSaved = false;
  /** Whether something was done since that no call has been told to be lost. */
  #isChanged = false;
  #reviving: Promise<Stay> | undefined;
  /** Calls that wait for the host's next life. */
  readonly #waiting: (() => void)[] = [];
  #disposed: Promise<void> | undefined;

  constructor(host: EngineHost, place: SessionPlace, stay: Stay, stats: NativeSessionStats) {
    this.#host = host;
    this.#place = place;
    this.#at = { stay, host, checkpoint: place.checkpoint };
    this.#stats = stats;
    forgotten.register(this, this.#at, this);
    this.#watch();
  }

  /** Whether the session is gone with its host, and nothing can bring it back. */
  get lost(): boolean {
    return this.#at.stay.life.end !== undefined && !(this.#isSaved && this.#host.restarts);
  }

  prefill(
    prompt: string | Int32Array,
    options: NativePrefillOptions,
    onProgress: ((done: number, total: number) => void) | undefined,
  ): Promise<NativePrefillResult> {
    return this.#call("prefill", [prompt, options], { ...computing, onReport: onProgress });
  }

  giveCells(from: number, nTokens: number, withLogits: boolean): Promise<NativeCells> {
    return this.#call("giveCells", [from, nTokens, withLogits]);
  }

  handOver(writer: number | undefined): Promise<NativeHandoverReport> {
    return this.#call("handOver", [writer]);
  }

  decode(options: NativeDecodeOptions): NativeStream {
    this.#assertOpen();
    // Its life holds the stream, which must not hold the session.
    const weak = new WeakRef(this);
    const note = (state: HostState, isLast: boolean) => {
      const session = weak.deref();
      if (session) session.#note(state, isLast);
    };
    const told = () => {
      const session = weak.deref();
      if (session) session.#told();
    };
    const start = ({ life, number }: Stay) =>
      new RemoteStream(life, (sink) => life.decode(number, options, sink), note, told);
    const { stay } = this.#at;
    return stay.life.end ? this.#decodeLater(start) : start(stay);
  }

  /** An answer in the host's next life. */
  #decodeLater(start: (stay: Stay) => NativeStream): NativeStream {
    const begun = this.#inNextLife(start);
    // Told by the first read.
    begun.catch(() => {});
    return {
      read: async () => {
        try {
          return await (await begun).read();
        } catch (error) {
          if (error instanceof AbortedError) return abortedReading;
          throw error;
        }
      },
    };
  }

  /** Of the answer that was just read: where that went with its host, there is nothing to be taken back. */
  retract(tokens: number): Promise<void> {
    const { end } = this.#at.stay.life;
    if (end) return Promise.reject(end());
    return this.#call("retract", [tokens]);
  }

  truncate(nTokens: number): Promise<void> {
    return this.#call("truncate", [nTokens]);
  }

  async fork(to: NativeSession): Promise<void> {
    const twin = to as RemoteSession;
    const { life } = twin.#at.stay;
    if (life !== this.#at.stay.life) throw (life.end ?? this.#at.stay.life.end ?? disposedSession)();
    twin.#stats = await this.#call<NativeSessionStats>("fork", [twin.#at.stay.number]);
  }

  save(path: string, note: string, compress: boolean): Promise<void> {
    return this.#call("save", [absolutePath(path), note, compress]);
  }

  restore(path: string): Promise<{ readonly writer: string; readonly note: string }> {
    return this.#call("restore", [absolutePath(path)]);
  }

  score(
    prompt: string | Int32Array,
    responses: readonly (string | Int32Array)[],
    rows: Int32Array,
    parseSpecial: boolean,
    writer: number,
  ): Promise<NativeScores> {
    return this.#call("score", [prompt, responses, rows, parseSpecial, writer], computing);
  }

  abort(): void {
    for (const leave of this.#waiting.splice(0)) leave();
    const { life, number } = this.#at.stay;
    life.tell(number, "abort");
  }

  stats(): NativeSessionStats {
    this.#assertOpen();
    return this.#stats;
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#leave();
    return this.#disposed;
  }

  async #leave(): Promise<void> {
    forgotten.unregister(this);
    await this.#reviving?.catch(() => {});
    const { life, number } = this.#at.stay;
    life.forget(number);
    // A host that ends meanwhile has freed the place too.
    if (!life.end)
      await life.call(number, "dispose", []).catch((error: unknown) => {
        if (!life.end) throw error;
      });
    await this.#host.removeCheckpoint(this.#place.checkpoint);
  }

  /** Sends before it returns where the session's host lives, so that an abort that follows comes later. */
  #call<Value>(method: string, args: readonly unknown[], options: CallOptions = {}): Promise<Value> {
    if (this.#disposed) return Promise.reject(disposedSession());
    const noted = { ...options, onState: (state: HostState) => this.#note(state, changing.has(method)) };
    const ask = async ({ life, number }: Stay) => {
      try {
        return await life.call<Value>(number, method, args, noted);
      } catch (error) {
        if (life.end) this.#told();
        throw error;
      }
    };
    const { stay } = this.#at;
    return stay.life.end ? this.#inNextLife(ask) : ask(stay);
  }

  /**
   * Waits until the session is back, unless the call is aborted before. What was done after the last checkpoint is lost: the
   * first call fails, unless another one has failed by the crash itself.
   */
  #inNextLife<Value>(work: (stay: Stay) => Value | Promise<Value>): Promise<Value> {
    const { end } = this.#at.stay.life;
    if (end && this.#isChanged) {
      this.#told();
      return Promise.reject(end());
    }
    return new Promise((resolve, reject) => {
      const leave = () => reject(new AbortedError("the call was aborted"));
      this.#waiting.push(leave);
      const isLeft = () => {
        const at = this.#waiting.indexOf(leave);
        if (at >= 0) this.#waiting.splice(at, 1);
        return at < 0;
      };
      this.#revived().then(
        (stay) => {
          if (!isLeft()) resolve(work(stay));
        },
        (error: unknown) => {
          if (!isLeft()) reject(error);
        },
      );
    });
  }

  #revived(): Promise<Stay> {
    this.#reviving ??= this.#revive().finally(() => {
      this.#reviving = undefined;
    });
    return this.#reviving;
  }

  /** In the host's next life, from the file that was written as the last turn ended. */
  async #revive(): Promise<Stay> {
    const { end } = this.#at.stay.life;
    if (end && this.lost) throw end();
    const life = await this.#host.alive();
    const { checkpoint } = this.#place;
    const opened = await this.#host.openPlace(life, this.#place);
    try {
      await life.call(opened.stay.number, "restore", [checkpoint], { onState: (state) => this.#note(state, false) });
    } catch (error) {
      life.tell(opened.stay.number, "dispose");
      // A file that cannot be read will not be the next time.
      if (!life.end) this.#isSaved = false;
      throw error;
    }
    this.#at.stay = opened.stay;
    this.#watch();
    return opened.stay;
  }

  #watch(): void {
    const weak = new WeakRef(this);
    const { life, number } = this.#at.stay;
    life.remember(number, (isSaved) => {
      const session = weak.deref();
      if (!session) return;
      session.#isSaved = isSaved;
      session.#isChanged = false;
    });
  }

  #note({ stats }: HostState, changes: boolean): void {
    if (stats) this.#stats = stats;
    if (changes) this.#isChanged = true;
  }

  /** Some call has failed by the crash. */
  #told(): void {
    this.#isChanged = false;
  }

  #assertOpen(): void {
    if (this.#disposed) throw disposedSession();
  }
}

const disposedSession = () => createError("ERR_DISPOSED", "the session was disposed", {});
