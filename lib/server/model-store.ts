/**
 * The models of a server: pairs that it was given, and pairs that it loads when they are first asked for, within a number and
 * a budget of memory. What has to make room is the one that was used the longest ago, and of those that are in use only as
 * many as have to.
 */

import type { DecodeQuality, LoadPairOptions, Pair } from "../engine/index.js";
import { ApiError, overloaded } from "./api-error.js";
import { toLoadError } from "./error-statuses.js";
import { isGivenUp, loadModel } from "./model-loading.js";
import { type FileBytes, fileBytes, loadedBytes } from "./model-memory.js";
import type { AnswerDefaults, ServedModel } from "./options.js";
import { type PoolLimits, SessionPool } from "./session-pool.js";

/** A model that is in memory. */
export interface LoadedModel {
  readonly name: string;
  readonly pair: Pair;
  readonly pool: SessionPool;
  readonly template: string | undefined;
  readonly templateVariables: Readonly<Record<string, unknown>>;
  readonly defaults: AnswerDefaults;
}

/** A model for the time of a request: it is not given up before `release`. */
export interface Lease {
  readonly model: LoadedModel;
  release(): void;
  /** The model has failed for good: it is loaded again for whoever asks next, where the server may. */
  discard(): void;
}

export interface StoreLimits extends PoolLimits {
  readonly maxModels: number;
  readonly memoryBytes: number;
  /** Whether each model that is loaded gets a process of its own. */
  readonly hostProcess: boolean;
}

/** A request that waits for its model. */
interface Waiter {
  /** Its place in the order of all requests. */
  readonly turn: number;
  readonly resolve: (model: LoadedModel) => void;
  readonly reject: (error: unknown) => void;
}

interface Entry {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly load: LoadPairOptions | undefined;
  readonly facts: Omit<LoadedModel, "name" | "pair" | "pool">;
  readonly waiting: Set<Waiter>;
  loaded: LoadedModel | undefined;
  /** Of its files, told before it is loaded. */
  files: FileBytes | undefined;
  /** What it took when it was loaded last, caches included. */
  takenBytes: number | undefined;
  /** What is being done with it; it ends by itself. */
  change: { readonly kind: "measure" | "load" | "unload"; readonly done: Promise<void> } | undefined;
  /** Ends a load. */
  abandon: AbortController;
  /** It makes room as soon as nobody uses it; who asks for it now waits until it is loaded again. */
  isLeaving: boolean;
  /** What is loaded has failed for good, and goes as soon as nobody uses it. */
  isBroken: boolean;
  leases: number;
  lastUse: number;
}

/** What is told of a model. */
export interface ListedModel {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly loaded: LoadedModel | undefined;
  readonly isLoading: boolean;
  /** Requests that wait until it is loaded. */
  readonly waiting: number;
}

/** A model by what a request calls it, and the dial that the name asks for. */
export interface NamedModel {
  readonly name: string;
  readonly quality: DecodeQuality | undefined;
}

/** A name with `fast`, `exact` or an acceptance behind it, which is above 0 and at most 1. */
const dial = /^(.+):(fast|exact|0?\.(?=0*[1-9])\d{1,9}|1(?:\.0{1,9})?)$/s;

const qualityOf = (word: string): DecodeQuality =>
  word === "fast" || word === "exact" ? word : { acceptance: Number(word) };

const isPair = (model: ServedModel): model is Pair => "info" in model && "createSession" in model;

export class ModelStore {
  readonly #entries: readonly Entry[];
  readonly #byName = new Map<string, Entry>();
  readonly #limits: StoreLimits;
  #uses = 0;
  #turns = 0;
  readonly #disposal = new AbortController();

  constructor(models: Readonly<Record<string, ServedModel>>, limits: StoreLimits) {
    this.#limits = limits;
    this.#entries = Object.entries(models).map(([name, model]) => this.#entry(name, model));
    for (const entry of this.#entries) this.#byName.set(entry.name, entry);
    // A name goes before another model's alias.
    for (const entry of this.#entries)
      for (const alias of entry.aliases) if (!this.#byName.has(alias)) this.#byName.set(alias, entry);
  }

  /** The models, in the order in which they were given. */
  list(): readonly ListedModel[] {
    return this.#entries.map(({ name, aliases, loaded, change, waiting }) => ({
      ...{ name, aliases, loaded, isLoading: change?.kind === "load", waiting: waiting.size },
    }));
  }

  /** Throws a 404. @param asked nothing: the first model */
  resolve(asked: string | undefined): NamedModel {
    const [first] = this.#entries;
    if (asked === undefined && first) return { name: first.name, quality: undefined };
    const whole = this.#byName.get(asked ?? "");
    if (whole) return { name: whole.name, quality: undefined };
    const [, base = "", word = ""] = dial.exec(asked ?? "") ?? [];
    const entry = this.#byName.get(base);
    if (entry) return { name: entry.name, quality: qualityOf(word) };
    throw new ApiError(404, `there is no model ${JSON.stringify(asked ?? "")}`, {
      type: "not_found_error",
      param: "model",
      code: "model_not_found",
    });
  }

  /**
   * The model, loaded if it was not. Rejects with what loading does, with the signal's reason, and with a 503 where too many
   * wait for the model already or it did not come in time.
   */
  async lease(name: string, signal: AbortSignal): Promise<Lease> {
    const entry = this.#byName.get(name) as Entry;
    // Its process may have ended while nobody asked anything of it.
    if (entry.load && entry.loaded && isGivenUp(entry.loaded.pair)) entry.isBroken = true;
    const model =
      entry.loaded && !entry.isLeaving && !entry.isBroken && entry.change === undefined
        ? this.#taken(entry, entry.loaded)
        : await this.#wait(entry, signal);
    let open = true;
    const release = () => {
      if (!open) return;
      open = false;
      entry.leases--;
      entry.lastUse = ++this.#uses;
      this.#schedule();
    };
    const discard = () => {
      if (entry.loaded === model && entry.load) entry.isBroken = true;
    };
    return { model, release, discard };
  }

  /** Ends what runs, and gives up what was loaded here. */
  async dispose(): Promise<void> {
    const stopping = overloaded("the server is being stopped", "stopping");
    this.#disposal.abort(stopping);
    for (const entry of this.#entries) {
      entry.abandon.abort(stopping);
      for (const { reject } of entry.waiting) reject(stopping);
    }
    await Promise.all(this.#entries.map(({ change }) => change?.done));
    await Promise.all(this.#entries.map((entry) => this.#givenUp(entry)));
  }

  #entry(name: string, model: ServedModel): Entry {
    const { aliases = [], template, templateVariables = {}, defaults = {} } = isPair(model) ? {} : model;
    const facts = { template, templateVariables, defaults };
    const pair = isPair(model) ? model : "pair" in model ? model.pair : undefined;
    const load = !isPair(model) && "load" in model ? model.load : undefined;
    const loaded = pair && { name, pair, pool: new SessionPool(pair, this.#limits), ...facts };
    return {
      ...{ name, aliases, load, facts, loaded, waiting: new Set(), abandon: new AbortController() },
      ...{ files: undefined, takenBytes: undefined, change: undefined, isLeaving: false, isBroken: false },
      ...{ leases: 0, lastUse: 0 },
    };
  }

  #taken(entry: Entry, model: LoadedModel): LoadedModel {
    entry.leases++;
    entry.lastUse = ++this.#uses;
    return model;
  }

  /** Until the model is there. All who ask for one that is not wait for one load. */
  #wait(entry: Entry, signal: AbortSignal): Promise<LoadedModel> {
    const { maxWaiting, waitMs } = this.#limits;
    if (this.#disposal.signal.aborted) return Promise.reject(this.#disposal.signal.reason);
    if (signal.aborted) return Promise.reject(signal.reason);
    // The first is the one that has it loaded.
    if (entry.waiting.size >= Math.max(maxWaiting, 1))
      return Promise.reject(overloaded(`${maxWaiting} requests wait for the model already`, "queue_full"));
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const settle =
        <Value>(how: (value: Value) => void) =>
        (value: Value) => {
          clearTimeout(timer);
          signal.removeEventListener("abort", onAbort);
          entry.waiting.delete(waiter);
          how(value);
        };
      const waiter: Waiter = { turn: ++this.#turns, resolve: settle(resolve), reject: settle(reject) };
      const leave = (reason: unknown, hasGone: boolean) => {
        waiter.reject(reason);
        // Who ran out of time comes again; the load would never end if it began anew each time.
        if (hasGone && entry.waiting.size === 0) entry.abandon.abort(reason);
        this.#schedule();
      };
      const onAbort = () => leave(signal.reason, signal.reason instanceof ApiError && signal.reason.status === 499);
      signal.addEventListener("abort", onAbort, { once: true });
      if (waitMs !== undefined)
        timer = setTimeout(
          () => leave(overloaded(`the model was not loaded within ${waitMs} ms`, "queue_timeout"), false),
          waitMs,
        ).unref();
      entry.waiting.add(waiter);
      this.#schedule();
    });
  }

  /**
   * Begins what can begin: loads in the order in which they were asked for, as many at once as there is room for. One that
   * does not fit lets no later one pass, and has the longest unused models make room; of those that are in use, later
   * requests wait behind it, so that a model in steady use cannot keep it waiting for ever.
   */
  #schedule(): void {
    if (this.#disposal.signal.aborted) return;
    for (const entry of this.#entries) {
      entry.isLeaving = false;
      if (entry.isBroken && entry.leases === 0 && !entry.change)
        this.#change(entry, "unload", () => this.#givenUp(entry));
    }
    const turnOf = ({ waiting }: Entry) => (waiting.values().next().value as Waiter).turn;
    const wanted = this.#entries
      .filter(({ waiting, loaded, change }) => waiting.size > 0 && !loaded && change?.kind !== "load")
      .sort((a, b) => turnOf(a) - turnOf(b));
    for (const entry of wanted) if (!entry.files && !entry.change) this.#measure(entry);
    for (const entry of wanted) if (!this.#begun(entry)) break;
    for (const entry of this.#entries)
      if (entry.loaded && entry.change === undefined && !entry.isLeaving && !entry.isBroken)
        for (const { resolve } of entry.waiting) resolve(this.#taken(entry, entry.loaded));
  }

  /** Looks how large a model is before it is loaded. */
  #measure(entry: Entry): void {
    this.#change(entry, "measure", async () => {
      try {
        entry.files = await fileBytes(entry.load as LoadPairOptions);
      } catch (error) {
        for (const { reject } of entry.waiting) reject(error);
      }
    });
  }

  /** Begins the load of a model. @returns whether the next may have its turn */
  #begun(entry: Entry): boolean {
    if (entry.change || !entry.files) return false;
    const { memoryBytes } = this.#limits;
    if (entry.files.models + entry.files.adapters > memoryBytes) {
      const error = new ApiError(503, `the model ${JSON.stringify(entry.name)} is larger than the memory for models`, {
        type: "server_error",
        code: "model_too_large",
      });
      for (const { reject } of entry.waiting) reject(error);
      entry.files = undefined;
      return true;
    }
    if (!this.#hasRoom(entry)) return false;
    entry.abandon = new AbortController();
    this.#change(entry, "load", () => this.#load(entry));
    return true;
  }

  #needs({ files, takenBytes }: Entry): number {
    const bytes = takenBytes ?? (files ? files.models + files.adapters : 0);
    return Math.min(bytes, this.#limits.memoryBytes);
  }

  /** Whether there is room; where there is none, the longest unused make some, those that nobody uses first. */
  #hasRoom(wanted: Entry): boolean {
    const resident = this.#entries.filter(
      ({ load, loaded, change }) => load && (loaded || change?.kind === "load" || change?.kind === "unload"),
    );
    let count = this.#limits.maxModels - 1 - resident.length;
    let bytes = this.#limits.memoryBytes - this.#needs(wanted);
    for (const entry of resident) bytes -= this.#needs(entry);
    if (count >= 0 && bytes >= 0) return true;
    // What is being given up makes its room without more ado.
    for (const entry of resident.filter(({ change }) => change?.kind === "unload")) {
      count++;
      bytes += this.#needs(entry);
    }
    const leaving = resident
      .filter(({ change }) => change === undefined)
      .sort((a, b) => Math.min(a.leases, 1) - Math.min(b.leases, 1) || a.lastUse - b.lastUse);
    for (const entry of leaving) {
      if (count >= 0 && bytes >= 0) break;
      count++;
      bytes += this.#needs(entry);
      if (entry.leases === 0) this.#change(entry, "unload", () => this.#givenUp(entry));
      else entry.isLeaving = true;
    }
    return false;
  }

  /** Does something with a model, and looks what can begin when it is done. */
  #change(entry: Entry, kind: "measure" | "load" | "unload", work: () => Promise<void>): void {
    const done = work().finally(() => {
      entry.change = undefined;
      this.#schedule();
    });
    entry.change = { kind, done };
  }

  /** A failure is for those who wait, if the load was not given up before they came. */
  async #load(entry: Entry): Promise<void> {
    const { signal } = entry.abandon;
    try {
      const pair = await loadModel({ ...(entry.load as LoadPairOptions), signal }, this.#limits.hostProcess);
      entry.loaded = { name: entry.name, pair, pool: new SessionPool(pair, this.#limits), ...entry.facts };
      entry.takenBytes = loadedBytes(pair.info, entry.load as LoadPairOptions) + (entry.files?.adapters ?? 0);
      for (const { resolve } of entry.waiting) resolve(this.#taken(entry, entry.loaded));
    } catch (error) {
      if (!signal.aborted) for (const { reject } of entry.waiting) reject(toLoadError(error));
    } finally {
      // The files may be others the next time.
      entry.files = undefined;
    }
  }

  async #givenUp(entry: Entry): Promise<void> {
    const { loaded, load } = entry;
    if (!loaded) return;
    entry.loaded = undefined;
    entry.isBroken = false;
    await loaded.pool.dispose();
    if (load) await loaded.pair.dispose();
  }
}
