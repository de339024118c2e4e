/** A server as a function of the web's requests and responses, on hono. */

import { randomUUID } from "node:crypto";
import { type Context, Hono } from "hono";
import { syncFromCaller } from "../internal/caller-stack.js";
import { ApiError, overloaded, renamed } from "./api-error.js";
import { readJson } from "./body.js";
import { toApiError } from "./error-statuses.js";
import { isStream } from "./event-stream.js";
import { Exchange, type Limits } from "./exchange.js";
import { Guard } from "./guard.js";
import { openLog, type ServerLog } from "./log.js";
import { ServerMetrics } from "./metrics.js";
import { ModelStore } from "./model-store.js";
import { openApiDocument } from "./openapi.js";
import type { LimitOptions, ServerHandler, ServerOptions } from "./options.js";
import { checkServerOptions } from "./options-validation.js";
import { type PageFiles, pageResponse, readPageFiles } from "./page/index.js";
import { ResponseStore } from "./response-store.js";
import { type Endpoint, endpoints } from "./routes.js";

/** A longer one would fire at once. */
const longestTimerMs = 2 ** 31 - 1;

const limitsOf = (limits: LimitOptions): Limits => ({
  bodyBytes: limits.bodyBytes ?? 16 * 2 ** 20,
  bodyMs: limits.bodyMs ?? 30_000,
  requestMs: limits.requestMs,
  slowReaderMs: limits.slowReaderMs ?? 30_000,
  maxChoices: limits.maxChoices ?? 16,
  storedResponses: limits.storedResponses ?? 256,
  storedBytes: limits.storedBytes ?? 64 * 2 ** 20,
});

/** What a client may call its request; anything else gets an id of ours. */
const requestIdPattern = /^[\w.-]{1,64}$/;

interface Variables {
  readonly Variables: {
    cors: Record<string, string>;
    requestId: string;
    /** The endpoint's first path, for figures. */
    route: string;
    /** Whether somebody else has told or will tell of the request. */
    isTold: boolean;
  };
}

/** The route of requests that were refused before they came to one: clients could make up any number. */
const noRoute = "none";

class Server {
  readonly app = new Hono<Variables>();
  readonly running = new Set<Exchange>();
  readonly #store: ModelStore;
  readonly #responses: ResponseStore;
  readonly #guard: Guard;
  readonly #limits: Limits;
  readonly #log: ServerLog;
  readonly #metrics: ServerMetrics;
  readonly #needsKey: boolean;
  #document: Readonly<Record<string, unknown>> | undefined;
  #wakeEmpty: (() => void) | undefined;
  #disposal: Promise<void> | undefined;

  constructor({ models, auth = {}, limits = {}, log = false, page = true, hostProcess = false }: ServerOptions) {
    this.#limits = limitsOf(limits);
    this.#store = new ModelStore(models, {
      maxWaiting: limits.maxWaiting ?? 64,
      waitMs: limits.waitMs,
      maxModels: limits.maxModels ?? Number.POSITIVE_INFINITY,
      memoryBytes: limits.memoryBytes ?? Number.POSITIVE_INFINITY,
      hostProcess,
    });
    this.#responses = new ResponseStore(this.#limits);
    this.#guard = new Guard(auth);
    this.#needsKey = (auth.keys ?? []).length > 0;
    this.#log = openLog(log);
    this.#metrics = new ServerMetrics(this.#store, () => this.running.size);
    this.#route();
    if (page) this.#routePage();
  }

  openapi(): Readonly<Record<string, unknown>> {
    this.#document ??= openApiDocument(this.#needsKey);
    return this.#document;
  }

  dispose(graceMs: number): Promise<void> {
    this.#disposal ??= this.#dispose(graceMs);
    return this.#disposal;
  }

  async #dispose(graceMs: number): Promise<void> {
    this.#log.event("stopping", { running: this.running.size });
    if (this.running.size > 0 && graceMs > 0) {
      let timer: NodeJS.Timeout | undefined;
      const empty = new Promise<void>((resolve) => {
        this.#wakeEmpty = resolve;
        timer = setTimeout(resolve, Math.min(graceMs, longestTimerMs));
      });
      await empty;
      clearTimeout(timer);
    }
    for (const exchange of this.running) exchange.abort(overloaded("the server is being stopped", "stopping"));
    await this.#store.dispose();
  }

  #route(): void {
    const { app } = this;
    app.use(async (context, next) => {
      const begun = performance.now();
      const asked = context.req.header("x-request-id") ?? "";
      context.set("requestId", requestIdPattern.test(asked) ? asked : `req_${randomUUID().replaceAll("-", "")}`);
      context.set("cors", {});
      await next();
      this.#tellRefusal(context, begun);
      context.header("x-request-id", context.get("requestId"));
      context.header("x-content-type-options", "nosniff");
      for (const [name, value] of Object.entries(context.get("cors"))) context.header(name, value);
    });
    app.use(async (context, next) => {
      context.set("cors", this.#guard.checkSource(context.req.raw));
      if (context.req.method === "OPTIONS" && context.req.header("origin") !== undefined)
        return this.#guard.preflight(context.req.raw, context.get("cors"));
      await next();
      return undefined;
    });
    for (const path of ["/health", "/v1/health"])
      app.get(path, (context) => {
        context.set("isTold", true);
        return context.json({ status: this.#disposal ? "stopping" : "ok" }, this.#disposal ? 503 : 200);
      });
    app.get("/metrics", (context) => this.#keyed(context, () => this.#metrics.response()));
    app.get("/openapi.json", (context) => this.#keyed(context, () => Response.json(this.openapi())));
    for (const endpoint of endpoints)
      for (const path of endpoint.paths)
        app.on(endpoint.method.toUpperCase(), path, (context) => this.#answer(endpoint, context));
    app.notFound((context) => {
      const isKnown = endpoints.some(({ paths }) => paths.includes(context.req.path));
      const error = isKnown
        ? new ApiError(405, "this method is not allowed here", {
            type: "invalid_request_error",
            code: "method_not_allowed",
          })
        : new ApiError(404, "there is nothing here", { type: "not_found_error", code: "not_found" });
      return this.#told(error);
    });
    app.onError((error) => {
      const told = toApiError(error);
      if (told.status >= 500) this.#log.event("failed", { error: error.message, stack: error.stack });
      return this.#told(told);
    });
  }

  /** The page is for everybody; it asks for the key itself. */
  #routePage(): void {
    let files: Promise<PageFiles> | undefined;
    for (const path of ["/", "/page/:name"])
      this.app.all(path, async (context) => {
        files ??= readPageFiles();
        return pageResponse(await files, context.req.path, context.req.raw) ?? context.notFound();
      });
  }

  #told(error: ApiError): Response {
    return Response.json(error.body, { status: error.status, headers: error.headers });
  }

  /** Of requests that never became an exchange, those that were refused have a line and a count as well. */
  #tellRefusal(context: Context<Variables>, begun: number): void {
    const { status } = context.res;
    if (context.get("isTold") || status < 400) return;
    const { method, url } = context.req.raw;
    this.#metrics.count(context.get("route") ?? noRoute, status, { begun });
    this.#log.request({
      ...{ requestId: context.get("requestId"), method, path: new URL(url).pathname, status },
      ...{ ms: performance.now() - begun, error: context.error },
    });
  }

  #keyed(context: Context<Variables>, answer: () => Promise<Response> | Response): Promise<Response> | Response {
    context.set("route", context.req.path);
    this.#guard.authenticate(context.req.raw);
    return answer();
  }

  async #answer(endpoint: Endpoint, context: Context<Variables>): Promise<Response> {
    const { raw: request } = context.req;
    // As it was sent: what is not printable in it stays escaped.
    const path = new URL(request.url).pathname;
    const [route = path] = endpoint.paths;
    context.set("route", route);
    const caller = this.#guard.authenticate(request);
    if (this.#disposal) throw overloaded("the server is being stopped", "stopping");
    context.set("isTold", true);
    const requestId = context.get("requestId");
    const exchange = new Exchange({
      ...{ request, requestId, store: this.#store, responses: this.#responses, limits: this.#limits, caller },
      onEnd: (ended, status, error) => {
        this.running.delete(ended);
        if (this.running.size === 0) this.#wakeEmpty?.();
        this.#metrics.count(route, status, ended);
        const { model, usage, body, begun } = ended;
        this.#log.request({
          ...{ requestId, method: request.method, path, status, ms: performance.now() - begun },
          ...{ key: caller.name, model, body, error },
          ...(usage && {
            promptTokens: usage.promptTokens,
            cachedTokens: usage.cachedTokens,
            completionTokens: usage.completionTokens,
          }),
        });
      },
    });
    this.running.add(exchange);
    try {
      if (endpoint.body) exchange.body = await readJson(request, this.#limits.bodyBytes, this.#limits.bodyMs);
      const response = await endpoint.answer(exchange, context.req.param("id") ?? "");
      // A stream ends the exchange itself.
      if (!isStream(response)) exchange.end(response.status);
      return response;
    } catch (error) {
      const told = renamed(toApiError(error), endpoint.names ?? {});
      exchange.end(told.status, told.cause ?? error);
      return this.#told(told);
    }
  }
}

/**
 * Makes a function that answers requests as OpenAI's API does, for whatever serves `Request` and `Response`: hono, Next,
 * Bun, Deno, Electron's `protocol.handle`, or {@link serve}. Models given as `load` are loaded when they are first asked for.
 *
 * Throws ERR_INVALID_ARGUMENT.
 */
export function createHandler(options: ServerOptions): ServerHandler {
  return syncFromCaller(() => {
    const server = new Server(checkServerOptions(options));
    const handle = async (request: Request): Promise<Response> => server.app.fetch(request);
    const dispose = ({ graceMs = 0 }: { readonly graceMs?: number | undefined } = {}) => server.dispose(graceMs);
    const handler = Object.assign(handle, {
      openapi: () => server.openapi(),
      dispose,
      [Symbol.asyncDispose]: () => dispose(),
    });
    return Object.defineProperty(handler, "running", { get: () => server.running.size }) as unknown as ServerHandler;
  });
}
