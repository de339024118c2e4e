/** `/metrics`, in Prometheus' form: what the server counts, and what the engines of its models do. */

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Histogram as EngineHistogram, PairMetrics } from "../engine/index.js";
import type { Exchange } from "./exchange.js";
import type { LoadedModel, ModelStore } from "./model-store.js";

/** Figures of each model that only grow, and those that go up and down. */
const counters: Readonly<Record<string, readonly [help: string, value: (metrics: PairMetrics) => number]>> = {
  overfill_prefill_tokens_total: ["Tokens that the prefill model has read", (pair) => pair.prefillTokens],
  overfill_prefill_batches_total: ["Batches in which it has read them", (pair) => pair.prefillBatches],
  overfill_decode_tokens_total: ["Tokens that the decode models have read", (pair) => pair.decodeTokens],
  overfill_decode_batches_total: ["Batches in which they have read them", (pair) => pair.decodeBatches],
  overfill_cached_tokens_total: ["Tokens taken over from the prefix cache", (pair) => pair.prefixCache.cachedTokens],
};

const gauges: typeof counters = {
  overfill_sessions: ["Sessions that are open", (pair) => pair.sessions],
  overfill_tasks_running: ["Tasks in the engine's present step", (pair) => pair.tasks.running],
  overfill_tasks_ready: ["Tasks that wait for the engine", (pair) => pair.tasks.ready],
  overfill_prefix_cache_bytes: ["Bytes of the prefix cache", (pair) => pair.prefixCache.bytes],
};

const histograms: Readonly<Record<string, readonly [string, (metrics: PairMetrics) => EngineHistogram, unit: number]>> =
  {
    overfill_time_to_first_token_seconds: [
      "From a prompt to its answer's first token",
      (pair) => pair.timeToFirstTokenMs,
      1000,
    ],
    overfill_time_between_tokens_seconds: ["From a token to the next", (pair) => pair.timeBetweenTokensMs, 1000],
    overfill_decode_batch_size: ["Sessions that wrote together", (pair) => pair.decodeBatchSizes, 1],
  };

/** Prometheus adds the counts up from bound to bound. */
function histogramText(
  name: string,
  model: string,
  { bounds, counts, sum, count }: EngineHistogram,
  unit: number,
): string {
  let total = 0;
  const label = `model=${JSON.stringify(model)}`;
  const buckets = bounds.map((bound, i) => {
    total += counts[i] ?? 0;
    return `${name}_bucket{${label},le="${bound / unit}"} ${total}`;
  });
  return [
    ...buckets,
    `${name}_bucket{${label},le="+Inf"} ${count}`,
    `${name}_sum{${label}} ${sum / unit}`,
    `${name}_count{${label}} ${count}`,
  ].join("\n");
}

export class ServerMetrics {
  readonly #registry = new Registry();
  readonly #store: ModelStore;
  readonly #requests = this.#counter("overfill_requests_total", "Requests answered", ["route", "status"]);
  readonly #tokens = this.#counter("overfill_request_tokens_total", "Tokens of answered requests", ["model", "kind"]);
  readonly #seconds = new Histogram({
    name: "overfill_request_seconds",
    help: "From a request to the end of its answer",
    labelNames: ["route"] as const,
    buckets: [0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300],
    registers: [this.#registry],
  });

  /** @param running how many requests are being answered */
  constructor(store: ModelStore, running: () => number) {
    this.#store = store;
    new Gauge({
      name: "overfill_requests_running",
      help: "Requests that are being answered",
      registers: [this.#registry],
      collect() {
        this.set(running());
      },
    });
  }

  count(
    route: string,
    status: number,
    { begun, model = "", usage }: Pick<Exchange, "begun"> & Partial<Pick<Exchange, "model" | "usage">>,
  ): void {
    this.#requests.inc({ route, status: String(status) });
    this.#seconds.observe({ route }, (performance.now() - begun) / 1000);
    if (!usage) return;
    this.#tokens.inc({ model, kind: "prompt" }, usage.promptTokens);
    this.#tokens.inc({ model, kind: "cached" }, usage.cachedTokens);
    this.#tokens.inc({ model, kind: "completion" }, usage.completionTokens);
  }

  async response(): Promise<Response> {
    const models = this.#store.list().flatMap(({ loaded }) => loaded ?? []);
    const text = [(await this.#registry.metrics()).trimEnd(), ...engineLines(models)].join("\n");
    return new Response(`${text}\n`, { headers: { "content-type": this.#registry.contentType } });
  }

  #counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }
}

/** Totals of a pair are the pair's own; prom-client would count them once more. */
function engineLines(models: readonly LoadedModel[]): string[] {
  const told = models.map(({ name, pair, pool }) => ({ name, metrics: pair.metrics(), waiting: pool.waiting }));
  const head = (name: string, type: string, help: string) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}`;
  const plain = (table: typeof counters, type: string) =>
    Object.entries(table).flatMap(([name, [help, value]]) => [
      head(name, type, help),
      ...told.map(({ name: model, metrics }) => `${name}{model=${JSON.stringify(model)}} ${value(metrics)}`),
    ]);
  return [
    ...plain(counters, "counter"),
    ...plain(gauges, "gauge"),
    head("overfill_requests_waiting", "gauge", "Requests that wait for a session"),
    ...told.map(({ name, waiting }) => `overfill_requests_waiting{model=${JSON.stringify(name)}} ${waiting}`),
    ...Object.entries(histograms).flatMap(([name, [help, histogram, unit]]) => [
      head(name, "histogram", help),
      ...told.map(({ name: model, metrics }) => histogramText(name, model, histogram(metrics), unit)),
    ]),
  ];
}
