/** One life of a host, as the app sees it: calls and their answers, from the first message until the channel closes. */

import type { OverfillError } from "../errors/index.js";
import type { NativeDecodeOptions, NativeLogLevel, NativePairMetrics } from "../internal/binding-types.js";
import type { HostChannel } from "./channel.js";
import { errorOfHost } from "./error-crossing.js";
import {
  type FromHost,
  type HostDuties,
  type HostState,
  type LoadedValue,
  type PlainReading,
  protocolVersion,
  type ToHost,
} from "./protocol.js";

/** Why a life ended. */
export type LifeEnd = () => OverfillError;

/** A message with a name. */
type NamedMessage = Exclude<FromHost, PlainReading>;

/** Takes what an answer brings. */
export interface StreamSink {
  takePlain(reading: PlainReading): void;
  take(message: Extract<NamedMessage, { readonly kind: "readings" }>): void;
  /** The host went away. */
  fail(error: unknown): void;
}

export interface CallOptions {
  /** @default nobody asks */
  readonly onReport?: ((...args: readonly number[]) => void) | undefined;
  readonly onState?: ((state: HostState) => void) | undefined;
  /** Whether the call keeps the process alive also while it waits for a session's place. @default true */
  readonly holdsInQueue?: boolean | undefined;
  /** Whether the engine computes for it all the time: where no batch follows another, the host hangs. @default false */
  readonly computes?: boolean | undefined;
}

interface PendingCall extends CallOptions {
  holds: boolean;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** What a life tells of itself. */
export interface LifeListener {
  readonly onLog: (level: NativeLogLevel, text: string) => void;
  readonly onMemory: (residentBytes: number) => void;
}

export class HostLife {
  readonly #channel: HostChannel<ToHost, FromHost>;
  readonly #listener: LifeListener;
  readonly #calls = new Map<number, PendingCall>();
  readonly #streams = new Map<number, StreamSink>();
  /** Answers whose reader waits. */
  readonly #awaited = new Set<number>();
  /** Of each session: called when it was saved, or could not be. */
  readonly #sessions = new Map<number, (isSaved: boolean) => void>();
  #nextNumber = 1;
  #nHolding = 0;
  #nComputing = 0;
  #loading: ((fraction: number) => void) | undefined;
  #end: LifeEnd | undefined;
  #steps = -1;
  #signAt = performance.now();
  #hasSpoken = false;
  #metrics: NativePairMetrics | undefined;

  constructor(channel: HostChannel<ToHost, FromHost>, listener: LifeListener) {
    this.#channel = channel;
    this.#listener = listener;
    channel.hold(false);
  }

  /** Set when the life has ended. */
  get end(): LifeEnd | undefined {
    return this.#end;
  }

  /** As of the last call that ended. */
  get metrics(): NativePairMetrics | undefined {
    return this.#metrics;
  }

  /** For sessions and answers: no two have the same in one life. */
  newNumber(): number {
    return this.#nextNumber++;
  }

  /** Loads the pair. */
  load(asked: Extract<ToHost, { kind: "load" }>["asked"], duties: HostDuties, onLoading: (fraction: number) => void) {
    this.#loading = onLoading;
    return this.#pending<LoadedValue>(0, {}, () =>
      this.#channel.send({ kind: "load", version: protocolVersion, asked, duties }),
    );
  }

  /** Sends the call before it returns, so that calls come in their order. */
  call<Value>(target: number, method: string, args: readonly unknown[], options: CallOptions = {}): Promise<Value> {
    const id = this.newNumber();
    return this.callNumbered<Value>(id, target, method, args, options);
  }

  /** As {@link HostLife.call}, with a number by which another call can name this one. */
  callNumbered<Value>(
    id: number,
    target: number,
    method: string,
    args: readonly unknown[],
    options: CallOptions = {},
  ): Promise<Value> {
    return this.#pending<Value>(id, options, () =>
      this.#channel.send({ kind: "call", id, target, method, args, reports: options.onReport !== undefined }),
    );
  }

  tell(target: number, method: string, args: readonly unknown[] = []): void {
    if (!this.#end) this.#channel.send({ kind: "tell", target, method, args });
  }

  /** Starts an answer; the number is for the two calls below. */
  decode(target: number, options: NativeDecodeOptions, sink: StreamSink): number {
    const stream = this.newNumber();
    this.#streams.set(stream, sink);
    this.#channel.send({ kind: "decode", target, stream, options });
    return stream;
  }

  makeRoom(stream: number, upTo: number): void {
    if (!this.#end && this.#streams.has(stream)) this.#channel.send({ kind: "room", stream, upTo });
  }

  /** Tells when the session was saved at a turn's end, or could not be. */
  remember(session: number, onCheckpoint: (isSaved: boolean) => void): void {
    this.#sessions.set(session, onCheckpoint);
  }

  forget(session: number): void {
    this.#sessions.delete(session);
  }

  /** Whether somebody waits for the answer's next reading. */
  awaitReading(stream: number, waits: boolean): void {
    if (waits === this.#awaited.has(stream)) return;
    if (waits) this.#awaited.add(stream);
    else this.#awaited.delete(stream);
    this.#count(waits ? 1 : -1, waits ? 1 : -1);
  }

  /** Whether the host's program has started. */
  get hasSpoken(): boolean {
    return this.#hasSpoken;
  }

  /** Whether nothing is asked for. */
  get isIdle(): boolean {
    return this.#calls.size === 0 && this.#awaited.size === 0;
  }

  /** Nobody could have seen it move until now. */
  beginAnew(): void {
    this.#signAt = performance.now();
  }

  /** For how many milliseconds nothing has moved that ought to. */
  get stillMs(): number {
    return performance.now() - this.#signAt;
  }

  /** The host went away: everything that waits fails. */
  finish(end: LifeEnd): void {
    if (this.#end) return;
    this.#end = end;
    for (const call of this.#calls.values()) call.reject(end());
    for (const stream of this.#streams.values()) stream.fail(end());
    this.#calls.clear();
    this.#streams.clear();
    this.#awaited.clear();
    this.#sessions.clear();
    this.#channel.hold(false);
    this.#channel.close();
  }

  receive(message: FromHost): void {
    if (this.#end) return;
    this.#hasSpoken = true;
    if (Array.isArray(message)) {
      this.#signAt = performance.now();
      this.#streams.get(message[0])?.takePlain(message);
    } else this.#receiveNamed(message);
  }

  #receiveNamed(message: NamedMessage): void {
    if (message.kind !== "alive" || message.steps !== this.#steps || this.#nComputing === 0)
      this.#signAt = performance.now();
    switch (message.kind) {
      case "loading":
        this.#loading?.(message.fraction);
        break;
      case "loaded":
        this.#settle(0, message);
        break;
      case "reply":
        this.#settle(message.id, message);
        break;
      case "queued":
        this.#queued(this.#calls.get(message.id));
        break;
      case "report":
        this.#calls.get(message.id)?.onReport?.(...message.args);
        break;
      case "readings":
        this.#take(message);
        break;
      case "checkpoint":
        this.#sessions.get(message.target)?.(message.isSaved);
        break;
      case "alive":
        this.#steps = message.steps;
        this.#listener.onMemory(message.residentBytes);
        break;
      case "log":
        this.#listener.onLog(message.level, message.text);
    }
  }

  #take(message: Extract<NamedMessage, { kind: "readings" }>): void {
    const sink = this.#streams.get(message.stream);
    this.#metrics = message.state.metrics ?? this.#metrics;
    if (message.error || message.readings.at(-1)?.result) {
      this.awaitReading(message.stream, false);
      this.#streams.delete(message.stream);
    }
    sink?.take(message);
  }

  #settle(id: number, { outcome, state }: Extract<NamedMessage, { kind: "loaded" | "reply" }>): void {
    const call = this.#calls.get(id);
    if (!call) return;
    this.#calls.delete(id);
    this.#counted(call, -1);
    this.#metrics = state.metrics ?? this.#metrics;
    call.onState?.(state);
    if ("error" in outcome) call.reject(errorOfHost(outcome.error));
    else call.resolve(outcome.value);
  }

  #pending<Value>(id: number, options: CallOptions, send: () => void): Promise<Value> {
    if (this.#end) return Promise.reject(this.#end());
    return new Promise<Value>((resolve, reject) => {
      const call: PendingCall = { ...options, holds: true, resolve: resolve as (value: unknown) => void, reject };
      this.#calls.set(id, call);
      this.#counted(call, 1);
      send();
    });
  }

  /** The call is in the queue for a session's place. */
  #queued(call: PendingCall | undefined): void {
    if (!call?.holds || call.holdsInQueue !== false) return;
    call.holds = false;
    this.#count(-1, 0);
  }

  #counted({ holds, computes = false }: PendingCall, by: 1 | -1): void {
    this.#count(holds ? by : 0, computes ? by : 0);
  }

  #count(holding: number, computing: number): void {
    if (this.#calls.size + this.#awaited.size <= 1) this.#signAt = performance.now();
    const held = this.#nHolding > 0;
    this.#nHolding += holding;
    this.#nComputing += computing;
    if (held !== this.#nHolding > 0) this.#channel.hold(this.#nHolding > 0);
  }
}
