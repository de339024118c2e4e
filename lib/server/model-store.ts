/**
 * The models of a server: pairs that it was given, and pairs that it loads when they are first asked for, within a number and
 * a budget of memory. What has to make room is the one that was used the longest ago and that nobody uses now.
 */

import { stat } from "node:fs/promises";
import { type DecodeQuality, type LoadPairOptions, loadPair, type Pair, type PairInfo } from "../engine/index.js";
import { ApiError, clientClosed, overloaded } from "./api-error.js";
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
}

export interface StoreLimits extends PoolLimits {
  readonly maxModels: number;
  readonly memoryBytes: number;
}

interface Entry {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly load: LoadPairOptions | undefined;
  readonly facts: Omit<LoadedModel, "name" | "pair" | "pool">;
  loaded: LoadedModel | undefined;
  loading: Promise<LoadedModel> | undefined;
  leases: number;
  lastUse: number;
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

/** Bytes of weights and of KV caches; models that are the same file count once. */
function bytesOf({ prefill, writers, kvBytes }: PairInfo): number {
  const weights = Object.values(writers)
    .filter(({ plan }) => !plan.oneFile)
    .reduce((total, { model }) => total + model.sizeBytes, prefill.sizeBytes);
  return weights + kvBytes;
}

async function fileBytes(options: LoadPairOptions): Promise<number> {
  const { prefill, decode } = options;
  const writers =
    decode === undefined || decode === "prefill" ? [] : "model" in decode ? [decode] : Object.values(decode);
  const files = new Set([prefill, ...writers].map(({ model }) => String(model)));
  const sizes = await Promise.all(
    // What is not there is told by the load.
    [...files].map((file) =>
      stat(file.startsWith("file:") ? new URL(file) : file).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((total, size) => total + size, 0);
}

export class ModelStore {
  readonly #entries: readonly Entry[];
  readonly #byName = new Map<string, Entry>();
  readonly #limits: StoreLimits;
  /** Loads and what makes room for them, one after the other. */
  #changes: Promise<unknown> = Promise.resolve();
  /** Of the load that waits for room; it looks again. */
  #wakeLoad: (() => void) | undefined;
  #uses = 0;
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
  list(): readonly {
    readonly name: string;
    readonly aliases: readonly string[];
    readonly loaded: LoadedModel | undefined;
  }[] {
    return this.#entries;
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

  /** The model, loaded if it was not. Rejects with what loading does, and with the signal's reason. */
  async lease(name: string, signal: AbortSignal): Promise<Lease> {
    const entry = this.#byName.get(name) as Entry;
    entry.leases++;
    entry.lastUse = ++this.#uses;
    let open = true;
    const release = () => {
      if (!open) return;
      open = false;
      entry.leases--;
      this.#wakeLoad?.();
    };
    try {
      return { model: entry.loaded ?? (await this.#loaded(entry, signal)), release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Ends what runs, and gives up what was loaded here. */
  async dispose(): Promise<void> {
    this.#disposal.abort(overloaded("the server is being stopped", "stopping"));
    this.#wakeLoad?.();
    await this.#changes.catch(() => {});
    await Promise.all(this.#entries.map((entry) => this.#unload(entry)));
  }

  #entry(name: string, model: ServedModel): Entry {
    const { aliases = [], template, templateVariables = {}, defaults = {} } = isPair(model) ? {} : model;
    const facts = { template, templateVariables, defaults };
    const pair = isPair(model) ? model : "pair" in model ? model.pair : undefined;
    const load = !isPair(model) && "load" in model ? model.load : undefined;
    const loaded = pair && { name, pair, pool: new SessionPool(pair, this.#limits), ...facts };
    return { ...{ name, aliases, load, facts, loaded }, loading: undefined, leases: 0, lastUse: 0 };
  }

  /** All who ask for a model wait for one load of it, which goes on as long as one of them waits. */
  #loaded(entry: Entry, signal: AbortSignal): Promise<LoadedModel> {
    entry.loading ??= this.#load(entry).finally(() => {
      entry.loading = undefined;
    });
    const { loading } = entry;
    return new Promise((resolve, reject) => {
      const leave = () => reject(signal.reason);
      if (signal.aborted) leave();
      signal.addEventListener("abort", leave, { once: true });
      loading.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
    });
  }

  /** One model after the other: two at once would each count on the room that there is. */
  #load(entry: Entry): Promise<LoadedModel> {
    const loading = this.#changes.then(async () => {
      const options = entry.load as LoadPairOptions;
      await this.#makeRoom(await fileBytes(options), entry);
      const pair = await loadPair({ ...options, signal: this.#disposal.signal });
      entry.loaded = { name: entry.name, pair, pool: new SessionPool(pair, this.#limits), ...entry.facts };
      return entry.loaded;
    });
    this.#changes = loading.catch(() => {});
    return loading;
  }

  /** Gives up idle models until there is room; waits for one to become idle where none is. */
  async #makeRoom(bytes: number, wanted: Entry): Promise<void> {
    const { maxModels, memoryBytes } = this.#limits;
    if (bytes > memoryBytes)
      throw new ApiError(503, `the model ${JSON.stringify(wanted.name)} is larger than the memory for models`, {
        type: "server_error",
        code: "model_too_large",
      });
    for (;;) {
      this.#disposal.signal.throwIfAborted();
      if (wanted.leases === 0) throw clientClosed();
      const resident = this.#entries.filter(({ load, loaded }) => load && loaded);
      const used = resident.reduce((total, { loaded }) => total + bytesOf((loaded as LoadedModel).pair.info), 0);
      if (resident.length < maxModels && used + bytes <= memoryBytes) return;
      const idle = resident.filter(({ leases }) => leases === 0).sort((a, b) => a.lastUse - b.lastUse)[0];
      if (idle) await this.#unload(idle);
      else
        await new Promise<void>((resolve) => {
          this.#wakeLoad = resolve;
        });
    }
  }

  async #unload(entry: Entry): Promise<void> {
    const { loaded, load } = entry;
    if (!loaded) return;
    entry.loaded = undefined;
    await loaded.pool.dispose();
    if (load) await loaded.pair.dispose();
  }
}
