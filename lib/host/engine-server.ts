/**
 * The host's side: does with its own addon what the app asks for, and tells what came of it. One pair for each channel. The
 * order of calls for one session is that of their messages.
 */

import { onLog } from "../engine/on-log.js";
import { openNativePair } from "../engine/open-native-pair.js";
import { openLink } from "../engine/pair-link.js";
import { AbortedError, createError } from "../errors/create-error.js";
import type { NativeAnswerParser, NativeChatRequest, NativePair } from "../internal/binding-types.js";
import { loadBinding } from "../internal/load-binding.js";
import { AnswerPump } from "./answer-pump.js";
import type { HostChannel } from "./channel.js";
import { jsonOf } from "./error-crossing.js";
import { type FromHost, type HostState, type Outcome, protocolVersion, type ToHost, thePair } from "./protocol.js";
import { ServedSession } from "./served-session.js";

type Call = Extract<ToHost, { readonly kind: "call" }>;
type Tell = Extract<ToHost, { readonly kind: "tell" }>;

/** How often the host tells that it lives while something runs, in milliseconds. */
const aliveMs = 250;

export class EngineServer {
  readonly #channel: HostChannel<FromHost, ToHost>;
  #pair: NativePair | undefined;
  /** Of what comes before the addon's own load. */
  readonly #loadAbort = new AbortController();
  readonly #sessions = new Map<number, ServedSession>();
  /** Tickets of calls that may wait for a place, by their numbers. */
  readonly #tickets = new Map<number, number>();
  readonly #pumps = new Map<number, AnswerPump>();
  readonly #parsers = new Map<number, NativeAnswerParser>();
  #nParsers = 0;
  #nRunning = 0;
  /** Calls wait for a session that is being saved, or whose prompt a server reads: no batch tells that the host works. */
  #nOtherSteps = 0;
  #heartbeat: NodeJS.Timeout | undefined;
  #stopLog: () => void = () => {};

  constructor(channel: HostChannel<FromHost, ToHost>, onClose: () => void) {
    this.#channel = channel;
    channel.listen(
      (message) => this.#receive(message),
      () => {
        this.#stopLog();
        clearInterval(this.#heartbeat);
        for (const pump of this.#pumps.values()) pump.makeRoom(Number.POSITIVE_INFINITY);
        onClose();
      },
    );
    // The first word: the program has started.
    this.#tellAlive();
  }

  /** Ends what runs and frees the pair. */
  async dispose(): Promise<void> {
    this.#stopLog();
    // A pair whose servers are still asked would come after this.
    this.#loadAbort.abort();
    await this.#pair?.dispose();
  }

  #receive(message: ToHost): void {
    switch (message.kind) {
      case "load":
        void this.#run(() => this.#load(message));
        break;
      case "call":
        void this.#run(() => this.#answer(message));
        break;
      case "tell":
        this.#tell(message);
        break;
      case "decode":
        void this.#run(() => this.#decode(message));
        break;
      case "room":
        this.#pumps.get(message.stream)?.makeRoom(message.upTo);
    }
  }

  /** Tells that the host lives while something runs. */
  async #run(work: () => Promise<void>): Promise<void> {
    this.#nRunning++;
    this.#heartbeat ??= setInterval(() => this.#tellAlive(), aliveMs);
    await work();
    if (--this.#nRunning > 0) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
  }

  #tellAlive(): void {
    const { prefillBatches = 0, decodeBatches = 0 } = this.#metrics() ?? {};
    const residentBytes = process.memoryUsage.rss();
    for (const { isSaving, isFetching } of this.#sessions.values()) if (isSaving || isFetching) this.#nOtherSteps++;
    this.#channel.send({ kind: "alive", steps: prefillBatches + decodeBatches + this.#nOtherSteps, residentBytes });
  }

  async #load({ version, asked, duties }: Extract<ToHost, { kind: "load" }>): Promise<void> {
    const outcome = await outcomeOf(async () => {
      if (version !== protocolVersion)
        throw createError("ERR_INTERNAL", `the host speaks version ${protocolVersion}, the app version ${version}`, {});
      const { logLevel, parentProcess } = duties;
      if (parentProcess !== undefined) loadBinding().endWithParent(parentProcess);
      if (logLevel)
        this.#stopLog = onLog(({ level, text }) => this.#channel.send({ kind: "log", level, text }), {
          level: logLevel,
        });
      const link = await openLink(asked, this.#loadAbort.signal);
      // The app has gone, or has given the load up, when all was said already.
      if (this.#loadAbort.signal.aborted) {
        await link?.close();
        throw new AbortedError("the load was aborted");
      }
      const onProgress = (fraction: number) => this.#channel.send({ kind: "loading", fraction });
      const opened = openNativePair(asked, onProgress, link);
      this.#pair = opened.native;
      return opened.loaded;
    });
    this.#channel.send({ kind: "loaded", outcome, state: { metrics: this.#metrics() } });
  }

  async #answer(call: Call): Promise<void> {
    const session = this.#sessions.get(call.target);
    const outcome = await outcomeOf(() =>
      call.target === thePair ? this.#ofPair(call) : this.#ofSession(call, session),
    );
    const state: HostState = { stats: session?.stats(), metrics: this.#metrics() };
    this.#channel.send({ kind: "reply", id: call.id, outcome, state });
  }

  async #ofPair({ id, method, args }: Call): Promise<unknown> {
    const pair = this.#loaded;
    switch (method) {
      case "createSession":
        return this.#createSession(id, args as [number, boolean, number, string, string]);
      case "renderChat": {
        const [template, request] = args as [string, NativeChatRequest];
        const { parser, ...chat } = await pair.renderChat(template, request);
        this.#parsers.set(++this.#nParsers, parser);
        return { ...chat, parser: this.#nParsers };
      }
      case "parseAnswer": {
        const [number, more, isLast] = args as [number, string, boolean];
        const parser = this.#parsers.get(number);
        if (!parser) throw createError("ERR_DISPOSED", "the answer's parser is gone", {});
        return pair.parseAnswer(parser, more, isLast);
      }
      case "cellFacts":
        return pair.cellFacts(args[0] as number);
      case "tokenizeLater":
        return pair.tokenizeLater(...(args as [string, boolean, boolean]));
      case "detokenizeLater":
        return pair.detokenizeLater(...(args as [Int32Array, boolean]));
      case "encodeLater":
        return pair.encodeLater(...(args as [string, boolean]));
      case "dispose":
        return this.dispose();
      default:
        throw createError("ERR_INTERNAL", `a pair in a host knows no ${method}`, {});
    }
  }

  async #createSession(
    id: number,
    [priority, isBounded, writer, cacheKey, checkpoint]: [number, boolean, number, string, string],
  ): Promise<unknown> {
    const { session, ticket } = this.#loaded.createSession(priority, isBounded, writer, cacheKey);
    this.#tickets.set(id, ticket);
    if (ticket !== 0) this.#channel.send({ kind: "queued", id });
    try {
      const native = await session;
      const tell = (isSaved: boolean, text: string | undefined) => {
        this.#channel.send({ kind: "checkpoint", target: id, isSaved });
        if (text !== undefined) this.#channel.send({ kind: "log", level: "error", text });
      };
      this.#sessions.set(id, new ServedSession(native, checkpoint, tell));
      return native.stats();
    } finally {
      this.#tickets.delete(id);
    }
  }

  async #ofSession({ id, target, method, args, reports }: Call, session: ServedSession | undefined): Promise<unknown> {
    if (!session) throw createError("ERR_DISPOSED", "the session was disposed", {});
    if (method === "dispose") return this.#disposeSession(target, session);
    if (method === "fork") {
      const twin = this.#sessions.get(args[0] as number);
      if (!twin) throw createError("ERR_DISPOSED", "the session was disposed", {});
      await session.fork(twin);
      return twin.stats();
    }
    const report = reports
      ? (done: number, total: number) => this.#channel.send({ kind: "report", id, args: [done, total] })
      : undefined;
    return session.call(method, args, report);
  }

  async #disposeSession(target: number, session: ServedSession): Promise<void> {
    this.#sessions.delete(target);
    await session.dispose();
    // An answer whose reader has gone would wait for room for ever.
    for (const pump of this.#pumps.values()) if (pump.session === session) pump.makeRoom(Number.POSITIVE_INFINITY);
  }

  #tell({ target, method, args }: Tell): void {
    if (target !== thePair) {
      const session = this.#sessions.get(target);
      if (method === "abort") session?.abort();
      if (method === "dispose" && session) void this.#run(() => this.#disposeSession(target, session));
      return;
    }
    const number = args[0] as number;
    if (method === "abortLoad") {
      this.#loadAbort.abort();
      this.#pair?.abortLoad();
    }
    if (method === "forgetParser") this.#parsers.delete(number);
    if (method === "leaveQueue" && this.#tickets.get(number))
      this.#pair?.leaveQueue(this.#tickets.get(number) as number);
  }

  async #decode({ target, stream, options }: Extract<ToHost, { kind: "decode" }>): Promise<void> {
    const session = this.#sessions.get(target);
    let isFirst = true;
    const pump = new AnswerPump(session, (readings, error, isLast) => {
      // In between it would cost as much as the text.
      const state: HostState = isFirst || isLast ? { stats: session?.stats(), metrics: this.#metrics() } : {};
      const [reading] = readings;
      if (!isFirst && !isLast && reading && !reading.logProbs) {
        this.#channel.send([stream, reading.text, ...reading.tokens]);
        return;
      }
      isFirst = false;
      this.#channel.send({ kind: "readings", stream, readings, state, ...(error && { error }) });
    });
    this.#pumps.set(stream, pump);
    const begun = await pump.run(() => {
      if (!session) throw createError("ERR_DISPOSED", "the session was disposed", {});
      return session.decode(options);
    });
    this.#pumps.delete(stream);
    if (begun) session?.answered();
  }

  get #loaded(): NativePair {
    if (!this.#pair) throw createError("ERR_INTERNAL", "the host has no pair", {});
    return this.#pair;
  }

  #metrics() {
    try {
      return this.#pair?.metrics();
    } catch {
      // Not loaded yet, or disposed.
      return undefined;
    }
  }
}

async function outcomeOf(work: () => Promise<unknown>): Promise<Outcome> {
  try {
    return { value: await work() };
  } catch (error) {
    return { error: jsonOf(error) };
  }
}
