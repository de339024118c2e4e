/** Sends an answer to the app as it is written: bundled where it is written fast, and no further than its reader has room. */

import { setTimeout as after } from "node:timers/promises";
import type { ErrorJson } from "../errors/types.js";
import type { NativeReading, NativeStream } from "../internal/binding-types.js";
import { jsonOf } from "./error-crossing.js";
import { readingsAhead } from "./remote-stream.js";

/** No sooner after one message comes the next: what a reader sees is not slower, and a message costs more than a token. */
const paceMs = 4;

type Send = (readings: readonly NativeReading[], error: ErrorJson | undefined, isLast: boolean) => void;

export class AnswerPump {
  /** Whose answer it is. */
  readonly session: unknown;
  readonly #send: Send;
  #nSent = 0;
  #room = readingsAhead;
  #wake: () => void = () => {};

  constructor(session: unknown, send: Send) {
    this.session = session;
    this.#send = send;
  }

  /** The reader has room up to the message of this number. */
  makeRoom(upTo: number): void {
    this.#room = Math.max(this.#room, upTo);
    this.#wake();
  }

  /** Sends the whole answer; its failure is part of what is sent. */
  async run(begin: () => Promise<NativeStream>): Promise<void> {
    try {
      const stream = await begin();
      for (let isLast = false; !isLast; ) {
        if (this.#nSent >= this.#room) await this.#roomMade();
        const reading = await stream.read();
        isLast = reading.result !== undefined;
        this.#send([reading], undefined, isLast);
        this.#nSent++;
        if (!isLast) await after(paceMs);
      }
    } catch (error) {
      this.#send([], jsonOf(error), true);
    }
  }

  #roomMade(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
