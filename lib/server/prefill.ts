/**
 * `/v1/prefill`: reads prompts for writers on other machines, and sends what they go on from: the cells of the decode model's
 * cache (lib/reader/cell-frames.ts). A prompt is read in micro-batches, and the cells of one are on their way while the next is
 * read. Of several decode models, a client gets the cells of the one that it says it has (decisions/0032).
 */

import type { Pair, Session } from "../engine/index.js";
import { cellFacts } from "../engine/pair.js";
import { giveCells } from "../engine/session.js";
import { createError } from "../errors/create-error.js";
import { OverfillError } from "../errors/index.js";
import type { NativeCellFacts } from "../internal/binding-types.js";
import { cellsHead, cellsType, cellsVersion, factsDigest, frame, textDigest } from "../reader/cell-frames.js";
import { ApiError, badRequest } from "./api-error.js";
import { parseBody } from "./body.js";
import { stream } from "./event-stream.js";
import type { Exchange } from "./exchange.js";
import { FrameQueue } from "./frame-queue.js";
import type { LoadedModel } from "./model-store.js";
import { prefillSchema } from "./request-schemas.js";

/** How often a client is told that its prompt is still being read: it gives up where it hears nothing. */
const aliveMs = 2_000;
/** Of the cells in one frame, about. */
const frameBytes = 4 * 2 ** 20;
/** Behind a client that takes its time the reading waits. */
const mostWaitingBytes = 64 * 2 ** 20;

/** A decode model, by what its cells depend on. */
interface CellWriter extends NativeCellFacts {
  readonly name: string;
  readonly digest: string;
  /** Its cells are the prefill model's own, as those of all others of which that is true. */
  readonly shares: boolean;
}

/** What a model's cells depend on does not change while it is loaded. */
const known = new WeakMap<Pair, Promise<readonly CellWriter[]>>();

function writersOf({ pair }: LoadedModel): Promise<readonly CellWriter[]> {
  const writers = known.get(pair) ?? askWriters(pair);
  known.set(pair, writers);
  writers.catch(() => known.delete(pair));
  return writers;
}

async function askWriters(pair: Pair): Promise<readonly CellWriter[]> {
  const writers: CellWriter[] = [];
  for (const [i, [name, { plan }]] of Object.entries(pair.info.writers).entries()) {
    const told = await cellFacts(pair, i + 1).catch(refuseMemory);
    const shares = plan.kind === "share" && plan.layerMap.length === 0;
    writers.push({ ...told, name, shares, digest: factsDigest(told.facts) });
  }
  return writers;
}

/** A client is to know that this is no fault of its question. */
function refuseMemory(error: unknown): never {
  if (!OverfillError.isInstance(error) || error.code !== "ERR_MODEL_UNSUPPORTED") throw error;
  const facts = { type: "invalid_request_error", code: "cells_unsupported", param: "model" };
  throw new ApiError(400, error.message, facts, error);
}

/** What this server reads with, and for whom, for a client to see whether it can go on from it. */
export async function describePrefill(exchange: Exchange): Promise<Response> {
  const asked = new URL(exchange.request.url).searchParams.get("model") ?? undefined;
  const model = await exchange.take(exchange.store.resolve(asked));
  const writers = await writersOf(model);
  const { facts, reader, bytesPerToken, vocabularySize } = writers[0] as CellWriter;
  // Where files lie is not the client's to know.
  const { adapters: _adapters, ...prefill } = model.pair.info.prefill;
  return Response.json({
    ...{ object: "prefill", version: cellsVersion, model: model.name, reader, facts, bytesPerToken, vocabularySize },
    ...{ contextSize: model.pair.info.contextSize, prefill },
    writers: writers.map(({ name, shares, ...one }) => ({ name, shares, facts: one.facts })),
  });
}

/** Tokens as a text by which the pool compares prompts: two characters each. */
const mark = "cells:";
function asText(tokens: Int32Array): string {
  let text = mark;
  for (const token of tokens) text += String.fromCharCode(token >>> 16, token & 0xffff);
  return text;
}

function nInCommon(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  let i = 0;
  while (i < end && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  return Math.max(0, Math.floor((i - mark.length) / 2));
}

/** A prompt that is to be read. */
interface Asked {
  readonly tokens: Int32Array;
  readonly from: number;
  readonly nonce: string;
  readonly deterministic: boolean;
  readonly writer: CellWriter;
  readonly batchSize: number;
}

/** Reads the prompt on a session, and sends the cells behind `from` as they are there. */
async function readInto(
  frames: FrameQueue,
  { tokens, from, nonce, deterministic, writer, batchSize }: Asked,
  session: Session,
  nHeld: number,
  exchange: Exchange,
): Promise<void> {
  const { signal } = exchange;
  const { bytesPerToken } = writer;
  const nFrame = Math.max(1, Math.floor(frameBytes / bytesPerToken));
  await frames.push(frame("begin", { version: cellsVersion, nonce, text: textDigest(tokens), from, bytesPerToken }));
  let sent = from;
  let nCached = 0;
  // What the session holds needs no piece of its own; the last token is read in any case.
  let read = 0;
  while (read < tokens.length) {
    const end = Math.min(tokens.length, Math.max(read, Math.min(nHeld, tokens.length - 1)) + batchSize);
    const result = await session.prefill(tokens.subarray(read, end), { replace: read === 0, deterministic, signal });
    nCached += result.keptTokens + result.cachedTokens;
    await session.switch({ signal, writer: writer.name });
    read = end;
    const isLast = read === tokens.length;
    for (let to = sent; to < read; sent = to) {
      to = Math.min(read, sent + nFrame);
      const cells = await giveCells(session, sent, to - sent, isLast && to === read);
      await frames.push(cellsHead(to - sent, cells.rows, cells.hash), cells.rows);
      if (cells.logits) await frames.push(frame("logits", cells.logits));
    }
  }
  exchange.usage = {
    ...{ promptTokens: tokens.length, cachedTokens: nCached },
    ...{ refreshedTokens: 0, completionTokens: 0, reasoningTokens: 0 },
  };
  await frames.push(frame("end", { cachedTokens: nCached }));
}

export async function prefill(exchange: Exchange): Promise<Response> {
  const body = parseBody(prefillSchema, exchange.body);
  const model = await exchange.take(exchange.store.resolve(body.model));
  const { pair } = model;
  const writer = (await writersOf(model)).find(({ digest }) => digest === body.facts);
  if (!writer)
    throw new ApiError(409, "the decode model here and there do not have the same cells", {
      ...{ type: "invalid_request_error", code: "cells_mismatch", param: "facts" },
    });
  const tokens = Int32Array.from(body.tokens);
  if (tokens.length > pair.info.contextSize)
    throw createError("ERR_CONTEXT_OVERFLOW", `the prompt's ${tokens.length} tokens do not fit`, {
      ...{ promptTokens: tokens.length, contextTokens: 0, contextSize: pair.info.contextSize },
    });
  const { from } = body;
  if (from >= tokens.length) throw badRequest("from: expected less than there are tokens", "from");
  if (tokens.some((token) => token >= writer.vocabularySize))
    throw badRequest(`tokens: expected ids below ${writer.vocabularySize}`, "tokens");
  const frames = new FrameQueue(mostWaitingBytes, exchange.signal);
  const text = asText(tokens);
  const { nonce, deterministic = false } = body;
  const asked = { tokens, from, nonce, deterministic, writer, batchSize: pair.info.batchSize };
  model.pool
    .use({ text, cacheKey: exchange.caller.cacheKey, signal: exchange.signal }, async (session, held) => {
      await readInto(frames, asked, session, nInCommon(held, text), exchange);
      return text;
    })
    .then(
      () => {
        frames.end();
        exchange.giveBackModel();
      },
      (error: unknown) => frames.end({ error }),
    );
  return stream(exchange, frames, {
    contentType: cellsType,
    // Behind a queue, too, a client hears that the server is alive.
    headersMs: aliveMs,
    keepAliveMs: aliveMs,
    waiting: frame("alive", undefined),
    bytesOf: (bytes) => bytes,
    failure: ({ status, message, facts: { code = "" } }) => frame("failed", { status, code, message }),
  });
}
