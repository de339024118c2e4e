/**
 * The chats of a pair that calls share. The SDK keeps nothing between calls and sends the whole prompt each time; a chat
 * reads only what is new to its session. So a call gets the idle chat most of which its prompt goes on with; without one, a
 * chat of its own while there are sessions left; without them, the idle chat with the longest beginning in common. Where all
 * are busy, calls wait in their order.
 */

import { Chat, type ChatOptions, type ModelMessage, type Tools } from "../chat/index.js";
import type { Pair, SessionOptions } from "../engine/index.js";
import { createError } from "../errors/create-error.js";

/** What a chat is made with; chats are shared by calls that have the same object. */
export type ChatSettings = Pick<ChatOptions, "template" | "templateVariables">;

/** Room for one session. While it is busy without a chat, its session is being opened. */
interface Place {
  chat: Chat | undefined;
  settings: ChatSettings | undefined;
  /** What the chat's session holds, more or less: tools and messages as JSON. */
  text: string;
  busy: boolean;
  lastUse: number;
}

/** What a call is about to say. */
export interface ChatRequest {
  readonly settings: ChatSettings;
  readonly tools: Tools;
  readonly messages: readonly ModelMessage[];
}

interface Wanted {
  readonly settings: ChatSettings;
  readonly text: string;
  /** Whether a new chat will do, or only one that has its session while there is one. */
  readonly mayOpen: boolean;
}

interface Waiting extends Wanted {
  readonly resolve: (place: Place) => void;
  readonly reject: (error: unknown) => void;
}

function commonLength(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  let i = 0;
  while (i < end && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  return i;
}

/** Beginnings that differ by less are alike: JSON has some characters in common always. */
const coarse = 256;

const disposed = () => createError("ERR_DISPOSED", "the provider was disposed", {});

/** By what chats are compared. Tools come first, as they do in most templates. */
const textOf = (tools: Tools, messages: readonly ModelMessage[]): string => JSON.stringify([tools, messages]);

export class ChatPool {
  readonly #pair: Pair;
  readonly #places: readonly Place[];
  #waiting: Waiting[] = [];
  #uses = 0;
  readonly #disposal = new AbortController();

  constructor(pair: Pair, size: number) {
    this.#pair = pair;
    this.#places = Array.from({ length: size }, () => ({
      ...{ chat: undefined, settings: undefined, text: "", busy: false, lastUse: 0 },
    }));
  }

  /**
   * Runs `work` with a chat that nobody else uses meanwhile. Where the app has taken the pair's sessions itself, that is a
   * chat that has one; if there is none, the call waits with the app's own for a session's place.
   *
   * Rejects with `signal.reason` if that fires while it waits, with ERR_DISPOSED, with what `work` rejects with, and with what
   * `createSession` does.
   */
  async use(
    { settings, tools, messages }: ChatRequest,
    options: SessionOptions,
    work: (chat: Chat) => Promise<void>,
  ): Promise<void> {
    const text = textOf(tools, messages);
    for (let mayOpen = true; ; mayOpen = false) {
      const place = await this.#acquire({ settings, text, mayOpen }, options.signal);
      try {
        const chat = await this.#chatIn(place, settings, options);
        if (chat) return await work(chat);
      } finally {
        place.text = place.chat ? textOf(tools, place.chat.messages) : "";
        this.#release(place);
      }
    }
  }

  /** Stops what runs, and gives the sessions back. */
  async dispose(): Promise<void> {
    this.#disposal.abort(disposed());
    for (const { reject } of this.#waiting.splice(0)) reject(disposed());
    await Promise.all(this.#places.map(({ chat }) => chat?.dispose()));
  }

  #acquire(wanted: Wanted, signal: AbortSignal | undefined): Promise<Place> {
    if (this.#disposal.signal.aborted) return Promise.reject(disposed());
    if (signal?.aborted) return Promise.reject(signal.reason);
    const place = this.#choose(wanted);
    if (place) return Promise.resolve(this.#occupied(place));
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        reject(signal?.reason);
      };
      const settle =
        <Value>(how: (value: Value) => void) =>
        (value: Value) => {
          signal?.removeEventListener("abort", leave);
          how(value);
        };
      const waiting: Waiting = { ...wanted, resolve: settle(resolve), reject: settle(reject) };
      signal?.addEventListener("abort", leave, { once: true });
      this.#waiting.push(waiting);
    });
  }

  #occupied(place: Place): Place {
    place.busy = true;
    place.lastUse = ++this.#uses;
    return place;
  }

  #choose({ settings, text, mayOpen }: Wanted): Place | undefined {
    const isAnyOpen = this.#places.some(({ busy, chat }) => busy || chat);
    const idle = this.#places
      .filter(({ busy, chat }) => !busy && (mayOpen || chat || !isAnyOpen))
      .map((place) => ({ place, common: place.settings === settings ? commonLength(place.text, text) : 0 }));
    const best = (places: typeof idle, step: number) =>
      places.toSorted(
        (a, b) => Math.floor(b.common / step) - Math.floor(a.common / step) || a.place.lastUse - b.place.lastUse,
      )[0]?.place;
    // Of a place that is empty, nothing is lost.
    const goingOn = idle.filter(({ place, common }) => 2 * common >= place.text.length);
    return best(goingOn, 1) ?? best(idle, coarse);
  }

  /** Undefined: there is no session left for another chat, but another place has one, or is about to. */
  async #chatIn(place: Place, settings: ChatSettings, { priority, signal }: SessionOptions): Promise<Chat | undefined> {
    if (place.settings !== settings) {
      await place.chat?.dispose();
      place.chat = undefined;
    }
    this.#disposal.signal.throwIfAborted();
    place.settings = settings;
    if (place.chat) return place.chat;
    const isFull = this.#pair.metrics().sessions >= this.#pair.info.maxSessions;
    if (isFull && this.#places.some((other) => other !== place && (other.busy || other.chat))) return undefined;
    const signals = signal ? [signal, this.#disposal.signal] : [this.#disposal.signal];
    const session = await this.#pair.createSession({ priority, signal: AbortSignal.any(signals) });
    try {
      this.#disposal.signal.throwIfAborted();
      place.chat = new Chat(this.#pair, settings, session);
    } catch (error) {
      await session.dispose();
      throw error;
    }
    return place.chat;
  }

  #release(place: Place): void {
    place.busy = false;
    const [next] = this.#waiting;
    const free = next && this.#choose(next);
    if (!free) return;
    this.#waiting.shift();
    next.resolve(this.#occupied(free));
  }
}
