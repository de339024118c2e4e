/**
 * What an app and its host say to each other: plain data that `structuredClone` can copy, never text to be parsed. The app
 * numbers calls, sessions and answers, so that it need not wait for one number before it sends the next message.
 */

import type { LoadedPair } from "../engine/pair-link.js";
import type { AskedPair } from "../engine/writer-validation.js";
import type { ErrorJson } from "../errors/types.js";
import type {
  NativeDecodeOptions,
  NativeLogLevel,
  NativePairMetrics,
  NativeReading,
  NativeSessionStats,
} from "../internal/binding-types.js";

/** Of both sides: a host of another version of the package is refused. */
export const protocolVersion = 3;

/** The object that a call is for: the pair, or a session by its number from 1 on. */
export const thePair = 0;

/** What the host is to do beside what it is asked. */
export interface HostDuties {
  /** Where each session is saved when a turn has ended. */
  readonly checkpointDirectory?: string | undefined;
  /** Lines of llama.cpp's log from this level on are told. */
  readonly logLevel?: NativeLogLevel | undefined;
  /** The process that the host ends with, where it is one of its own. */
  readonly parentProcess?: number | undefined;
}

/** From the app to the host. */
export type ToHost =
  | { readonly kind: "load"; readonly version: number; readonly asked: AskedPair; readonly duties: HostDuties }
  | {
      /** A call that is answered by `reply`. */
      readonly kind: "call";
      readonly id: number;
      readonly target: number;
      readonly method: string;
      readonly args: readonly unknown[];
      /** Whether its progress is told, by `report`. */
      readonly reports: boolean;
    }
  | {
      /** A call that nothing comes back from. */
      readonly kind: "tell";
      readonly target: number;
      readonly method: string;
      readonly args: readonly unknown[];
    }
  | {
      /** Starts an answer, which `readings` bring. */
      readonly kind: "decode";
      readonly target: number;
      readonly stream: number;
      readonly options: NativeDecodeOptions;
    }
  | {
      /** The reader has room for messages with readings, up to the one of this number. */
      readonly kind: "room";
      readonly stream: number;
      readonly upTo: number;
    };

/** What has changed with a call, as far as the app asks for it without waiting. */
export interface HostState {
  /** Of the session that the call was for. */
  readonly stats?: NativeSessionStats | undefined;
  readonly metrics?: NativePairMetrics | undefined;
}

/** How a call ended. */
export type Outcome = { readonly value: unknown } | { readonly error: ErrorJson };

/** A reading that has nothing but its text and tokens, as most have: without names it is taken apart in half the time. */
export type PlainReading = [stream: number, text: string, ...tokens: number[]];

/** From the host to the app. A call is `queued` where it waits for a session's place. */
export type FromHost =
  | PlainReading
  | { readonly kind: "loading"; readonly fraction: number }
  | { readonly kind: "loaded"; readonly outcome: Outcome; readonly state: HostState }
  | { readonly kind: "reply"; readonly id: number; readonly outcome: Outcome; readonly state: HostState }
  | { readonly kind: "queued"; readonly id: number }
  | { readonly kind: "report"; readonly id: number; readonly args: readonly number[] }
  | {
      readonly kind: "readings";
      readonly stream: number;
      readonly readings: readonly NativeReading[];
      /** What ended the answer, unless its last reading has a result. */
      readonly error?: ErrorJson;
      readonly state: HostState;
    }
  | {
      /** A session was saved as a turn had ended, or could not be: an earlier file is out of date then. */
      readonly kind: "checkpoint";
      readonly target: number;
      readonly isSaved: boolean;
    }
  | {
      /** While calls run. */
      readonly kind: "alive";
      /** Batches computed so far; they stand still where the engine does. */
      readonly steps: number;
      readonly residentBytes: number;
    }
  | { readonly kind: "log"; readonly level: NativeLogLevel; readonly text: string };

/** What {@link FromHost} "loaded" has as its value. */
export type LoadedValue = LoadedPair;
