/** What callers may ask of a server. */

import type { ChatOptions, SendOptions } from "../chat/index.js";
import type { LoadPairOptions, Pair } from "../engine/index.js";

/** Options of every answer of a model, which a request's own go before. */
export type AnswerDefaults = Omit<
  SendOptions,
  "tools" | "toolChoice" | "parallelToolCalls" | "maxSteps" | "schema" | "signal" | "logProbs"
>;

/** What is said of a model besides where it comes from. */
interface ServedModelFacts extends Pick<ChatOptions, "template" | "templateVariables"> {
  /** Further names. @default none */
  readonly aliases?: readonly string[] | undefined;
  /** Options of every answer, which a request's own go before. @default the library's */
  readonly defaults?: AnswerDefaults | undefined;
}

/** A pair that is loaded already; it stays the caller's to dispose, unless the server may load it again. */
export interface LoadedModelOptions extends ServedModelFacts {
  readonly pair: Pair;
  /**
   * As for `loadPair`: how the model is loaded again where the pair is in a host that has ended for good. The server disposes
   * the pair then, and may give it up for others.
   * @default it is not
   */
  readonly load?: LoadedOnDemand["load"] | undefined;
}

/** A pair that the server loads when it is first asked for, and gives up when others need its memory. */
export interface LoadedOnDemand extends ServedModelFacts {
  /** As for `loadPair`. */
  readonly load: Omit<LoadPairOptions, "signal" | "onProgress">;
}

export type ServedModel = Pair | LoadedModelOptions | LoadedOnDemand;

/** A key, with the name that logs show for it. */
export interface ApiKey {
  readonly key: string;
  /** @default key-1, key-2 and so on */
  readonly name?: string | undefined;
}

/** Who may ask. */
export interface AuthOptions {
  /** Keys of which a request has to have one, as `Authorization: Bearer KEY` or `X-Api-Key: KEY`. @default none is needed */
  readonly keys?: readonly (string | ApiKey)[] | undefined;
  /**
   * Names that a request's `Host` may have (without the port), or `"any"`: a page of another site that has its name resolved
   * to this machine (DNS rebinding) is refused by it.
   * @default those of this machine itself (`localhost`, `127.0.0.1`, `[::1]`); with keys any
   */
  readonly hosts?: readonly string[] | "any" | undefined;
  /** Origins of web pages, such as `https://app.example`, that may ask besides the server's own page (CORS). @default none */
  readonly origins?: readonly string[] | undefined;
}

/** What a client may take. */
export interface LimitOptions {
  /** Bytes of a body: 1,024 or more. @default 16 MiB */
  readonly bodyBytes?: number | undefined;
  /** Milliseconds in which a body has to come. @default 30,000 */
  readonly bodyMs?: number | undefined;
  /**
   * Requests of a model that wait for a session: 0 or more; one more is told to come later (503). As many, but at least one,
   * may wait for the model to be loaded. @default 64
   */
  readonly maxWaiting?: number | undefined;
  /**
   * Milliseconds that a request waits for its model to be loaded, and then for a session. A load that has begun goes on for
   * those who come later. @default as long as it takes
   */
  readonly waitMs?: number | undefined;
  /** Milliseconds that a request may take in all. @default as long as it takes */
  readonly requestMs?: number | undefined;
  /** Milliseconds that a reader of a stream may take none of it; it is dropped then. @default 30,000 */
  readonly slowReaderMs?: number | undefined;
  /** Answers to one request (`n`, or prompts in a list): 1 to 256. @default 16 */
  readonly maxChoices?: number | undefined;
  /** Responses of a key that are kept for `previous_response_id`, the longest unused first to go. @default 256 */
  readonly storedResponses?: number | undefined;
  /** Bytes of a key's responses that are kept, each with the conversation that led to it: 0 or more. @default 64 MiB */
  readonly storedBytes?: number | undefined;
  /** Models that are loaded on demand at a time. @default all */
  readonly maxModels?: number | undefined;
  /** Bytes of weights and KV caches of the models that are loaded on demand. @default as much as there is */
  readonly memoryBytes?: number | undefined;
}

/** Where a line for each request goes. */
export interface LogOptions {
  /** @default "json" */
  readonly format?: "json" | "text" | undefined;
  /** @default "info" */
  readonly level?: "debug" | "info" | "warn" | "error" | undefined;
  /** Whether the bodies of requests are logged, and so what users say. @default false */
  readonly bodies?: boolean | undefined;
  /** @default stderr */
  readonly write?: ((line: string) => void) | undefined;
}

/** Options of {@link createHandler}. */
export interface ServerOptions {
  /** The models by their names. The first answers requests that name none. */
  readonly models: Readonly<Record<string, ServedModel>>;
  readonly auth?: AuthOptions | undefined;
  readonly limits?: LimitOptions | undefined;
  /** @default nothing is logged */
  readonly log?: LogOptions | false | undefined;
  /** Whether a page to chat in is at `/`. It needs no key; what it asks for does. @default true */
  readonly page?: boolean | undefined;
  /**
   * Whether each model that the server loads gets a process of its own (`loadPairInHost`): what ends that process costs the
   * requests that it had (503), and the model comes back. @default false
   */
  readonly hostProcess?: boolean | undefined;
}

/** What a server answers requests with: a function of the web's `Request` and `Response`. */
export interface ServerHandler extends AsyncDisposable {
  (request: Request): Promise<Response>;
  /** Requests that are being answered. */
  readonly running: number;
  /** The OpenAPI document, as `/openapi.json` has it. */
  openapi(): Readonly<Record<string, unknown>>;
  /**
   * Takes no further requests, waits for those that run, aborts what still runs after `graceMs`, and gives up what it has
   * loaded; pairs that it was given stay. Idempotent.
   */
  dispose(options?: { readonly graceMs?: number | undefined }): Promise<void>;
}

/** Files of a server that speaks `https:`, in PEM. */
export interface TlsOptions {
  /** Path or `file:` URL of the certificate, with those that vouch for it behind it. */
  readonly certificate: string | URL;
  /** Path or `file:` URL of its private key. */
  readonly key: string | URL;
}

/** Options of {@link serve}. */
export interface ServeOptions extends ServerOptions {
  /** 0 takes one that is free. @default 8080 */
  readonly port?: number | undefined;
  /** The address to listen on. One that other machines can reach is refused without keys. @default "127.0.0.1" */
  readonly host?: string | undefined;
  /** Connections at a time. @default 256 */
  readonly maxConnections?: number | undefined;
  /** @default none: it speaks `http:` */
  readonly tls?: TlsOptions | undefined;
}

/** A server that listens. */
export interface RunningServer extends AsyncDisposable {
  /** Such as `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly port: number;
  readonly handler: ServerHandler;
  /** Stops listening, and then as {@link ServerHandler.dispose}. */
  close(options?: { readonly graceMs?: number | undefined }): Promise<void>;
}
