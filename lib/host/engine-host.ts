/** A host and its lives: begins them, watches over them, and begins another where one ends in a crash. */

import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { LoadedPair } from "../engine/pair-link.js";
import type { AskedPair } from "../engine/writer-validation.js";
import { createError } from "../errors/create-error.js";
import { type OverfillError, RemoteError } from "../errors/index.js";
import type { ErrorDetails } from "../errors/types.js";
import type { NativePairMetrics, NativeSessionStats } from "../internal/binding-types.js";
import { HostLife } from "./host-life.js";
import type { LaunchedHost, Launcher } from "./launcher.js";
import type { CheckedHostOptions } from "./options-validation.js";
import { thePair } from "./protocol.js";
import type { SessionPlace, Stay } from "./remote-session.js";

type CrashDetails = ErrorDetails<"ERR_HOST_CRASHED">;

/** How long a host may take to free its pair before it is ended by force, in milliseconds. */
const disposalMs = 10_000;
/** How long a process may take to start, in milliseconds, however short `stallTimeoutMs` is. */
const firstWordMs = 60_000;
/** How often the host's stillness and memory are looked at while something is asked of it, at most, in milliseconds. */
const watchMs = 500;

const endings: Readonly<Record<CrashDetails["reason"], (details: CrashDetails) => string>> = {
  exit: ({ exitCode }) => `the host ended with exit code ${exitCode}`,
  signal: ({ signal }) => `the host was ended by ${signal}`,
  stall: () => "the host did nothing for stallTimeoutMs and was ended",
  memory: () => "the host took more than maxMemoryBytes and was ended",
  start: () => "the host could not be started",
  closed: () => "the host's channel was closed",
};

function crashOf(details: CrashDetails, cause?: OverfillError): OverfillError {
  const last = details.log.at(-1);
  const message = endings[details.reason](details);
  const whole = last === undefined ? message : `${message}. Its last words: ${last}`;
  return createError("ERR_HOST_CRASHED", whole, details, cause ?? lostServer(details.log));
}

/** What llama.cpp, or the relay before it, says where a server goes away. It ends the process then. */
const lostWords = /Remote RPC server crashed|the server owed an answer|Failed to connect to|RPC handshake failed/;

function lostServer(log: readonly string[]): OverfillError | undefined {
  const words = log.find((line) => lostWords.test(line));
  const message = `a server whose devices the pair uses was lost: ${words}`;
  return words === undefined ? undefined : createError("ERR_REMOTE_LOST", message, {});
}

const disposedPair = () => createError("ERR_DISPOSED", "the pair was disposed", {});

interface Life {
  readonly life: HostLife;
  readonly launched: LaunchedHost;
  /** Why it was ended by force. */
  killedFor?: "stall" | "memory";
}

export class EngineHost {
  readonly #asked: AskedPair;
  readonly #options: CheckedHostOptions;
  readonly #launch: Launcher;
  #current: Life | undefined;
  /** The load of the current life, or of one that is to come. */
  #begun: Promise<unknown> = Promise.resolve();
  #isLoaded = false;
  /** Whether it ever was: a first load that crashes is not tried again. */
  #hasLoaded = false;
  /** Why there is no life, where servers were not there for a new one. The next call tries again. */
  #away: OverfillError | undefined;
  /** Nothing comes after. */
  #end: (() => OverfillError) | undefined;
  #disposal: Promise<void> | undefined;
  #crashTimes: number[] = [];
  #nRestarts = 0;
  #metrics: NativePairMetrics | undefined;
  /** Files of sessions that are open. */
  readonly #checkpoints = new Set<string>();
  #watch: NodeJS.Timeout | undefined;

  constructor(asked: AskedPair, options: CheckedHostOptions, launch: Launcher) {
    this.#asked = asked;
    this.#options = options;
    this.#launch = launch;
  }

  /** Begins the first life. Rejects with what the load rejects with, and with ERR_HOST_CRASHED. */
  load(onProgress: (fraction: number) => void): Promise<LoadedPair> {
    const loaded = this.#beginLife(onProgress);
    this.#begun = loaded.then(() => {
      this.#isLoaded = true;
      this.#hasLoaded = true;
    });
    this.#begun.catch(() => {});
    return loaded;
  }

  abortLoad(): void {
    this.#current?.life.tell(thePair, "abortLoad");
  }

  /** The life that takes calls; undefined between two, and after the last. */
  get life(): HostLife | undefined {
    return this.#isLoaded && !this.#current?.life.end ? this.#current?.life : undefined;
  }

  /** Waits for one. Rejects where none comes any more. */
  async alive(): Promise<HostLife> {
    while (true) {
      if (this.#end) throw this.#end();
      const { life } = this;
      if (life) return life;
      if (this.#away) this.#restart();
      await this.#begun;
      if (this.#away) throw this.#away;
    }
  }

  /** Whether a crash is followed by another life. */
  get restarts(): boolean {
    return this.#options.restart === "on-crash" && this.#end === undefined;
  }

  /** Whether nothing comes after: all calls are refused. */
  get isOver(): boolean {
    return this.#end !== undefined;
  }

  get nRestarts(): number {
    return this.#nRestarts;
  }

  get pid(): number | undefined {
    return this.#current?.life.end ? undefined : this.#current?.launched.pid;
  }

  /** As of the last call that ended. */
  metrics(): NativePairMetrics {
    if (!this.#metrics) throw createError("ERR_DISPOSED", "the pair was not loaded", {});
    return this.#current?.life.metrics ?? this.#metrics;
  }

  /** A file for a session's checkpoints; "" without. */
  newCheckpoint(): string {
    const { checkpointDirectory } = this.#options;
    if (checkpointDirectory === undefined) return "";
    const file = join(checkpointDirectory, `session-${randomUUID()}.ofs`);
    this.#checkpoints.add(file);
    return file;
  }

  /** Its session has been disposed. */
  async removeCheckpoint(file: string): Promise<void> {
    if (this.#checkpoints.delete(file)) await rm(file, { force: true });
  }

  /** Opens a session's place. Sends before it returns. */
  async openPlace(
    life: HostLife,
    { writer, cacheKey, checkpoint }: SessionPlace,
    {
      priority = 0,
      isBounded = true,
      onNumber,
    }: { priority?: number; isBounded?: boolean; onNumber?: (number: number) => void } = {},
  ): Promise<{ readonly stay: Stay; readonly stats: NativeSessionStats }> {
    const number = life.newNumber();
    onNumber?.(number);
    const args = [priority, isBounded, writer, cacheKey, checkpoint];
    const stats = await life.callNumbered<NativeSessionStats>(number, thePair, "createSession", args, {
      holdsInQueue: isBounded,
    });
    return { stay: { life, number }, stats };
  }

  dispose(): Promise<void> {
    this.#disposal ??= this.#endAll();
    return this.#disposal;
  }

  async #endAll(): Promise<void> {
    this.#end = disposedPair;
    clearInterval(this.#watch);
    const current = this.#current;
    if (!current) return;
    const { life, launched } = current;
    if (!life.end) {
      const late = setTimeout(() => launched.kill(), disposalMs);
      late.unref();
      await life.call(thePair, "dispose", []).catch(() => {});
      clearTimeout(late);
    }
    life.finish(disposedPair);
    launched.leave();
    await launched.ended;
    await Promise.all([...this.#checkpoints].map((file) => rm(file, { force: true })));
  }

  #beginLife(onProgress: (fraction: number) => void): Promise<LoadedPair> {
    const launched = this.#launch();
    const life = new HostLife(launched.channel, {
      onLog: (level, text) => this.#options.onLog?.({ level, text }),
      onMemory: (bytes) => this.#weigh(bytes),
    });
    const current: Life = { life, launched };
    this.#current = current;
    launched.channel.listen(
      (message) => life.receive(message),
      () => launched.lose(),
    );
    launched.ended.then((ending) => {
      if (this.#current !== current || life.end) return;
      const { killedFor } = current;
      this.#crashed(life, { ...ending, ...(killedFor && { reason: killedFor }) });
    });
    this.#startWatching(current);
    const { checkpointDirectory, onLog, logLevel } = this.#options;
    const duties = {
      checkpointDirectory,
      logLevel: onLog && logLevel,
      parentProcess: launched.isChild ? process.pid : undefined,
    };
    return life.load(this.#asked, duties, onProgress).then((loaded) => {
      this.#metrics = life.metrics;
      return loaded;
    });
  }

  #crashed(life: HostLife, details: CrashDetails, cause?: OverfillError): void {
    clearInterval(this.#watch);
    if (this.#disposal) {
      // It took too long to free what it held.
      life.finish(disposedPair);
      return;
    }
    const end = () => crashOf(details, cause);
    const goesOn = this.restarts && this.#hasLoaded;
    if (!goesOn) this.#end ??= end;
    else if (this.#isLoop()) {
      const { maxRestarts, restartWindowMs } = this.#options;
      const crashes = maxRestarts + 1;
      const message = `the host crashed ${crashes} times within ${restartWindowMs} ms and is not started again. The last time: ${end().message}`;
      this.#end = () =>
        createError("ERR_HOST_CRASH_LOOP", message, { crashes, withinMs: restartWindowMs, log: details.log }, end());
    } else this.#restart();
    life.finish(end);
    this.#options.onCrash?.(end());
  }

  /** Whether crashes follow one another too fast. */
  #isLoop(): boolean {
    const now = performance.now();
    const { maxRestarts, restartWindowMs } = this.#options;
    this.#crashTimes = [...this.#crashTimes.filter((time) => now - time < restartWindowMs), now];
    return this.#crashTimes.length > maxRestarts;
  }

  #restart(): void {
    this.#isLoaded = false;
    this.#away = undefined;
    this.#nRestarts++;
    // Not before what waits has failed, which the crash calls for next.
    const begin = async () => {
      await undefined;
      if (this.#end) return;
      await this.#beginLife(() => {});
      this.#isLoaded = true;
      // What it throws is the app's own.
      queueMicrotask(() => this.#options.onRestart?.());
    };
    this.#begun = begin().catch((error: OverfillError) => {
      // A crash has been dealt with.
      if (this.#end || !this.#current || error.code === "ERR_HOST_CRASHED") return;
      const { life } = this.#current;
      this.#leave(this.#current, error);
      if (RemoteError.isInstance(error)) this.#away = error;
      // No memory for the model, or no file at the moment.
      else this.#crashed(life, { reason: "start", log: [error.message] }, error);
    });
  }

  /** Ends a life that could not begin, which is no crash then. */
  #leave({ life, launched }: Life, error: OverfillError): void {
    clearInterval(this.#watch);
    life.finish(() => error);
    launched.kill();
  }

  #startWatching(current: Life): void {
    const { stallTimeoutMs } = this.#options;
    clearInterval(this.#watch);
    const period = Math.max(10, Math.min(watchMs, stallTimeoutMs / 4));
    let lookedAt = performance.now();
    const look = () => {
      const sinceLook = performance.now() - lookedAt;
      lookedAt += sinceLook;
      if (current.life.isIdle) return;
      // Where this process stood still itself (a breakpoint, a machine that slept), what the host said waits to be heard.
      if (sinceLook > 3 * period) current.life.beginAnew();
      const patience = current.life.hasSpoken ? stallTimeoutMs : Math.max(stallTimeoutMs, firstWordMs);
      if (current.life.stillMs > patience) this.#kill(current, "stall");
      const bytes = current.launched.residentBytes?.();
      if (bytes !== undefined) this.#weigh(bytes);
    };
    this.#watch = setInterval(look, period);
    this.#watch.unref();
  }

  #weigh(residentBytes: number): void {
    const { maxMemoryBytes } = this.#options;
    if (maxMemoryBytes !== undefined && residentBytes > maxMemoryBytes && this.#current)
      this.#kill(this.#current, "memory");
  }

  #kill(current: Life, reason: "stall" | "memory"): void {
    current.killedFor ??= reason;
    current.launched.kill();
  }
}
