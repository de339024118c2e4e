/** An answer that is written in a host: reads like one of the addon, and holds the model back where its reader is slow. */

import type { NativeReading, NativeStream } from "../internal/binding-types.js";
import { errorOfHost } from "./error-crossing.js";
import type { HostLife, StreamSink } from "./host-life.js";
import type { FromHost, HostState, PlainReading } from "./protocol.js";

/**
 * Messages with readings that may be on their way. The host sends one every few milliseconds at most: a quarter of a second
 * and more, so that word of new room is seldom needed.
 */
export const readingsAhead = 64;

/** The end of an answer that was aborted before it began. */
export const abortedReading: NativeReading = {
  text: "",
  tokens: new Int32Array(0),
  result: {
    ...{ reason: "abort", stop: "", writer: "", tokens: 0, decodeSteps: 0, refreshes: 0, refreshedTokens: 0 },
    ...{ seed: 0, ms: 0, refreshMs: 0 },
  },
};

interface Waiting {
  readonly resolve: (reading: NativeReading) => void;
  readonly reject: (error: unknown) => void;
}

export class RemoteStream implements NativeStream, StreamSink {
  readonly #life: HostLife;
  readonly #number: number;
  readonly #onState: (state: HostState, isLast: boolean) => void;
  readonly #onCrash: () => void;
  #ready: NativeReading[] = [];
  #failure: { readonly error: unknown } | undefined;
  #waiting: Waiting | undefined;
  /** Messages that came, and the last one for which the host knows that there is room. */
  #nTaken = 0;
  #room = readingsAhead;

  /**
   * @param onState called with what each message tells of the session
   * @param onCrash called where the host ended before the answer did
   */
  constructor(
    life: HostLife,
    start: (sink: StreamSink) => number,
    onState: (state: HostState, isLast: boolean) => void,
    onCrash: () => void,
  ) {
    this.#life = life;
    this.#onState = onState;
    this.#onCrash = onCrash;
    this.#number = start(this);
  }

  read(): NativeReading | Promise<NativeReading> {
    const reading = this.#ready.shift();
    if (this.#ready.length === 0) this.#makeRoom();
    if (reading) return reading;
    if (this.#failure) throw this.#failure.error;
    this.#life.awaitReading(this.#number, true);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  takePlain(message: PlainReading): void {
    this.#nTaken++;
    const tokens = new Int32Array(message.length - 2);
    for (let i = 0; i < tokens.length; i++) tokens[i] = message[i + 2] as number;
    this.#ready.push({ text: message[1], tokens });
    this.#wake();
  }

  take(message: Extract<FromHost, { kind: "readings" }>): void {
    this.#nTaken++;
    this.#onState(message.state, message.readings.at(-1)?.result !== undefined);
    this.#ready.push(...message.readings);
    // It waited for its session to be saved.
    if (message.error?.code === "ERR_ABORTED") this.#ready.push(abortedReading);
    else if (message.error) this.#failure = { error: errorOfHost(message.error) };
    this.#wake();
  }

  fail(error: unknown): void {
    this.#onCrash();
    this.#failure = { error };
    this.#wake();
  }

  /** What was read is out of the way: half of what may be on its way is told at a time. */
  #makeRoom(): void {
    const upTo = this.#nTaken + readingsAhead;
    if (upTo - this.#room < readingsAhead / 2) return;
    this.#room = upTo;
    this.#life.makeRoom(this.#number, upTo);
  }

  #wake(): void {
    const waiting = this.#waiting;
    if (!waiting || (this.#ready.length === 0 && !this.#failure)) return;
    this.#waiting = undefined;
    this.#life.awaitReading(this.#number, false);
    try {
      waiting.resolve(this.read() as NativeReading);
    } catch (error) {
      waiting.reject(error);
    }
  }
}
