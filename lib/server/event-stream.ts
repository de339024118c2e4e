/**
 * Answers that come bit by bit, mostly as server-sent events. What the model writes is kept until the client takes it, so that a
 * slow reader holds no session; one that takes nothing at all for a time is dropped.
 */

import { limitSilence, type SilenceLimit } from "../internal/silence-limit.js";
import type { ApiError } from "./api-error.js";
import { toApiError } from "./error-statuses.js";
import type { Exchange } from "./exchange.js";

/** An event: its data, with a name where the API has them. */
export interface ServerEvent {
  readonly event?: string;
  readonly data: object | "[DONE]";
}

/** Comments that keep proxies and clients from giving up, while a long prompt is being read. */
const keepAliveMs = 15_000;
/** How long a failure may still become the answer's status; after that it is an event. */
const usualHeadersMs = 10_000;

const encoder = new TextEncoder();

function lineOf({ event, data }: ServerEvent): Uint8Array {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return encoder.encode(`${event === undefined ? "" : `event: ${event}\n`}data: ${text}\n\n`);
}

const later = <Value>(ms: number, value: Value) => {
  let timer: NodeJS.Timeout | undefined;
  const promise = new Promise<Value>((resolve) => {
    timer = setTimeout(resolve, ms, value);
  });
  return { promise, cancel: () => clearTimeout(timer) };
};

const silence = Symbol("silence");

/** How the items of a stream are sent. */
export interface StreamForm<Item> {
  readonly contentType: string;
  /** How long the status waits for the first item. @default 10,000 */
  readonly headersMs?: number;
  /** As often, `waiting` is sent where nothing else is. */
  readonly keepAliveMs: number;
  readonly waiting: Uint8Array;
  bytesOf(item: Item): Uint8Array;
  /** What tells of a failure behind the first item. */
  failure(error: ApiError): Uint8Array;
}

/** Responses that end their exchanges themselves. */
const streamed = new WeakSet<Response>();
export const isStream = (response: Response) => streamed.has(response);

/**
 * The events as a response. What goes wrong before the first of them is thrown, so that the answer's status can tell it.
 *
 * @param failure the event that tells of a failure later on
 */
export function eventStream(
  exchange: Exchange,
  events: AsyncIterable<ServerEvent>,
  failure: (error: ApiError) => ServerEvent = (error) => ({ data: error.body }),
): Promise<Response> {
  return stream(exchange, events, {
    contentType: "text/event-stream; charset=utf-8",
    keepAliveMs,
    waiting: encoder.encode(": waiting\n\n"),
    bytesOf: lineOf,
    failure: (error) => lineOf(failure(error)),
  });
}

/** Any items as a response; as {@link eventStream}. */
export async function stream<Item>(
  exchange: Exchange,
  items: AsyncIterable<Item>,
  form: StreamForm<Item>,
): Promise<Response> {
  const iterator = items[Symbol.asyncIterator]();
  let next: Promise<IteratorResult<Item, unknown>> | undefined = iterator.next();
  const patience = later(form.headersMs ?? usualHeadersMs, silence);
  try {
    await Promise.race([next, patience.promise]);
  } finally {
    patience.cancel();
  }
  let status = 200;
  let failed: unknown;
  let reader: SilenceLimit | undefined;
  const end = () => {
    reader?.cancel();
    exchange.end(status, failed);
  };
  const drop = (reason: unknown) => {
    status = 499;
    exchange.leave(reason);
    // Nobody is left to whom it could say how it ended.
    Promise.resolve(iterator.return?.()).catch(() => {});
    end();
  };
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
    reader?.cancel();
    const quiet = later(form.keepAliveMs, silence);
    try {
      next ??= iterator.next();
      const result = await Promise.race([next, quiet.promise]);
      if (typeof result === "symbol") controller.enqueue(form.waiting);
      else {
        next = undefined;
        if (result.done) {
          controller.close();
          return end();
        }
        controller.enqueue(form.bytesOf(result.value));
      }
    } catch (error) {
      failed = error;
      const told = toApiError(error);
      ({ status } = told);
      controller.enqueue(form.failure(told));
      controller.close();
      return end();
    } finally {
      quiet.cancel();
    }
    expectReader(controller);
  };
  const expectReader = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    const onSilence = () => {
      // The code of a client that has gone, which node-server does not report as a fault of the server.
      const error = Object.assign(new Error("the reader took nothing for too long"), {
        code: "ERR_STREAM_PREMATURE_CLOSE",
      });
      controller.error(error);
      drop(error);
    };
    reader = limitSilence(exchange.limits.slowReaderMs, onSilence, false);
  };
  const readable = new ReadableStream<Uint8Array>({ start: expectReader, pull, cancel: drop }, { highWaterMark: 0 });
  const response = new Response(readable, {
    headers: { "content-type": form.contentType, "cache-control": "no-cache", "x-accel-buffering": "no" },
  });
  streamed.add(response);
  return response;
}
