/**
 * The sessions of a pair that requests share. HTTP keeps nothing between requests and each brings its whole prompt; a session
 * reads only what is new to it. So a request gets the idle session most of which its prompt goes on with; without one, a new
 * session while there are places left; without them, the idle session with the longest beginning in common. Where all are
 * busy, requests wait in their order. What one key's requests have read is never another's: such a session is given up.
 */

import type { Pair, Session } from "../engine/index.js";
import { isLost } from "../engine/session.js";
import { createError } from "../errors/create-error.js";

/** What a request is about to have read, and for whom. */
export interface SessionRequest {
  /** A text by which prompts are compared. */
  readonly text: string;
  readonly cacheKey: string | undefined;
  readonly signal: AbortSignal;
}

/** Room for one session. */
interface Place {
  readonly id: number;
  session: Session | undefined;
  cacheKey: string | undefined;
  /** What the session holds, more or less. */
  text: string;
  busy: boolean;
  lastUse: number;
}

interface Waiting {
  readonly request: SessionRequest;
  readonly resolve: (place: Place) => void;
  readonly reject: (error: unknown) => void;
}

/** How a place stands, for the view of sessions. */
export interface PlaceView {
  readonly id: number;
  readonly busy: boolean;
  readonly session: Session | undefined;
}

function commonLength(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  let i = 0;
  while (i < end && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  return i;
}

/** Beginnings that differ by less are alike: JSON has some characters in common always. */
const coarse = 256;

const disposed = () => createError("ERR_DISPOSED", "the model is being stopped", {});

export interface PoolLimits {
  readonly maxWaiting: number;
  readonly waitMs: number | undefined;
}

export class SessionPool {
  readonly pair: Pair;
  readonly #places: readonly Place[];
  readonly #limits: PoolLimits;
  #waiting: Waiting[] = [];
  #uses = 0;
  /** Of the call that waits for a session that the app has; it ends it. */
  #wished: AbortController | undefined;
  /** Where that session would go. */
  #wishedPlace: Place | undefined;
  readonly #disposal = new AbortController();

  constructor(pair: Pair, limits: PoolLimits) {
    this.pair = pair;
    this.#limits = limits;
    this.#places = Array.from({ length: pair.info.maxSessions }, (_, id) => ({
      ...{ id, session: undefined, cacheKey: undefined, text: "", busy: false, lastUse: 0 },
    }));
  }

  get places(): readonly PlaceView[] {
    return this.#places.map((place) => ({
      ...{ id: place.id, session: place.session, busy: place.busy && place !== this.#wishedPlace },
    }));
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Runs `work` with a session that nobody else uses meanwhile, and with the text that it holds; `work` says what the session
   * holds afterwards. Rejects with
   * `signal.reason` if that fires while it waits, with ERR_QUEUE_FULL, ERR_QUEUE_TIMEOUT, ERR_DISPOSED, and with what `work`
   * rejects with.
   */
  async use(request: SessionRequest, work: (session: Session, held: string) => Promise<string>): Promise<void> {
    const place = await this.#acquire(request);
    let held = "";
    try {
      const before = place.session;
      const session = await this.#sessionIn(place, request);
      held = await work(session, session === before ? place.text : "");
    } finally {
      place.text = held;
      this.#release(place);
    }
  }

  /** Ends the sessions, and with them what runs in them. */
  async dispose(): Promise<void> {
    this.#disposal.abort(disposed());
    for (const { reject } of this.#waiting.splice(0)) reject(disposed());
    await Promise.all(this.#places.map(({ session }) => session?.dispose()));
  }

  #acquire(request: SessionRequest): Promise<Place> {
    const { signal } = request;
    if (this.#disposal.signal.aborted) return Promise.reject(disposed());
    if (signal.aborted) return Promise.reject(signal.reason);
    // Those that wait go first, also where a place is free that nobody told them of.
    this.#serveWaiting();
    const place = this.#waiting.length === 0 ? this.#choose(request) : undefined;
    if (place) return Promise.resolve(this.#occupied(place));
    const { maxWaiting, waitMs } = this.#limits;
    if (this.#waiting.length >= maxWaiting) {
      const { maxSessions } = this.pair.info;
      return Promise.reject(
        createError("ERR_QUEUE_FULL", `all ${maxSessions} sessions are busy, and ${maxWaiting} requests wait`, {
          maxSessions,
          maxWaiting,
        }),
      );
    }
    return new Promise((resolve, reject) => this.#wait(request, waitMs, resolve, reject));
  }

  #wait(
    request: SessionRequest,
    waitMs: number | undefined,
    resolve: (place: Place) => void,
    reject: (error: unknown) => void,
  ): void {
    const { signal } = request;
    let timer: NodeJS.Timeout | undefined;
    const settle =
      <Value>(how: (value: Value) => void) =>
      (value: Value) => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        how(value);
      };
    const waiting: Waiting = { request, resolve: settle(resolve), reject: settle(reject) };
    const leave = (error: unknown) => {
      this.#waiting = this.#waiting.filter((other) => other !== waiting);
      waiting.reject(error);
      this.#wish();
    };
    const onAbort = () => leave(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    if (waitMs !== undefined)
      timer = setTimeout(
        () => leave(createError("ERR_QUEUE_TIMEOUT", `no session was free for ${waitMs} ms`, { timeoutMs: waitMs })),
        waitMs,
      ).unref();
    this.#waiting.push(waiting);
    this.#wish();
  }

  #occupied(place: Place): Place {
    place.busy = true;
    place.lastUse = ++this.#uses;
    return place;
  }

  #choose({ text, cacheKey }: SessionRequest): Place | undefined {
    const mayOpen = this.#mayOpen();
    const idle = this.#places
      .filter(({ busy, session }) => !busy && (mayOpen || session))
      .map((place) => ({ place, common: place.cacheKey === cacheKey ? commonLength(place.text, text) : 0 }));
    const best = (places: typeof idle, step: number) =>
      places.toSorted(
        (a, b) => Math.floor(b.common / step) - Math.floor(a.common / step) || a.place.lastUse - b.place.lastUse,
      )[0]?.place;
    // Of a place that is empty, nothing is lost.
    const goingOn = idle.filter(({ place, common }) => 2 * common >= place.text.length);
    return best(goingOn, 1) ?? best(idle, coarse);
  }

  /** Whether there is a session left for another place: the app may have taken some of the pair's itself. */
  #mayOpen(): boolean {
    if (!this.#places.some(({ busy, session }) => busy || session)) return true;
    const opening = this.#places.filter(({ busy, session }) => busy && !session).length;
    const { disposed: isGone, info } = this.pair;
    return isGone || this.pair.metrics().sessions + opening < info.maxSessions;
  }

  async #sessionIn(place: Place, { cacheKey, signal }: SessionRequest): Promise<Session> {
    if (place.session && (place.cacheKey !== cacheKey || place.session.disposed || isLost(place.session))) {
      const others = place.session;
      place.session = undefined;
      // It would get what is given back here, and this request would wait.
      this.#wished?.abort();
      await others.dispose();
    }
    if (place.session) return place.session;
    const session = await this.pair.createSession({
      cacheKey,
      signal: AbortSignal.any([signal, this.#disposal.signal]),
    });
    if (this.#disposal.signal.aborted) {
      await session.dispose();
      throw disposed();
    }
    place.session = session;
    place.cacheKey = cacheKey;
    this.#serveWaiting();
    return session;
  }

  #release(place: Place): void {
    place.busy = false;
    this.#serveWaiting();
  }

  #serveWaiting(): void {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      const free = this.#choose(next.request);
      if (!free) break;
      this.#waiting.shift();
      next.resolve(this.#occupied(free));
    }
    this.#wish();
  }

  /**
   * While requests wait and the app has sessions that this pool has places for, the pool waits for one of them as any other
   * caller of the pair does: nothing else tells that the app has given one back.
   */
  #wish(): void {
    const [next] = this.#waiting;
    if (!next) this.#wished?.abort();
    if (!next || this.#wished) return;
    const empty = this.#places.filter(({ session }) => !session);
    const [place] = empty;
    // Who is about to open a session goes first.
    if (!place || empty.some(({ busy }) => busy)) return;
    const { cacheKey } = next.request;
    const wished = new AbortController();
    this.#wished = wished;
    this.#wishedPlace = place;
    const signal = AbortSignal.any([wished.signal, this.#disposal.signal]);
    place.busy = true;
    const end = () => {
      this.#wished = undefined;
      this.#wishedPlace = undefined;
      place.busy = false;
    };
    this.pair.createSession({ cacheKey, signal }).then(
      (session) => {
        if (this.#disposal.signal.aborted) return session.dispose();
        Object.assign(place, { session, cacheKey, text: "" });
        end();
        return this.#serveWaiting();
      },
      () => {
        end();
        // Of a pair that refuses, requests wait for the sessions that the pool has, and it asks again with the next one.
        if (wished.signal.aborted) this.#serveWaiting();
      },
    );
  }
}
