/** The process of {@link measureLasting}: one long prompt, read, read again, saved and restored; and a chat of many turns. */

import { closeSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { loadPair, type Pair, type Session } from "../../lib/index.js";
import { serve } from "../child-process.js";
import { copyToDisk } from "../plain-copy.js";

export interface LastingRequest {
  readonly prefill: string;
  readonly decode: string;
  readonly threads: number;
  readonly contextSize: number;
  readonly prompt: readonly number[];
  readonly rounds: number;
  readonly folder: string;
  /** New tokens of each turn of the chat, and of each answer. */
  readonly turns: number;
  readonly turnTokens: number;
  readonly answerTokens: number;
}

export interface LastingTiming {
  /** From the prompt to the first token: read, taken over, restored from a file with its opening. */
  readonly coldMs: number;
  readonly warmMs: readonly number[];
  readonly restoredMs: readonly number[];
  readonly fileBytes: number;
  /** Writing the session's file, and as many bytes plainly. */
  readonly saveMs: readonly number[];
  readonly plainWriteMs: readonly number[];
  /** Restoring it, and reading as many bytes plainly, from the page cache both. */
  readonly restoreMs: readonly number[];
  readonly plainReadMs: readonly number[];
  /** Of the chat, each turn of which is a new session: tokens that were read, and that were new. */
  readonly readTokens: number;
  readonly newTokens: number;
}

serve<LastingRequest, LastingTiming>(async (request) => {
  const { prefill, decode, threads, contextSize, prompt, rounds, folder } = request;
  await using pair = await loadPair({
    prefill: { model: prefill },
    decode: { model: decode },
    contextSize,
    maxSessions: 2,
    threads,
    gpu: false,
  });
  const coldMs = await timeToFirstToken(pair, prompt);
  const warmMs = await repeated(rounds, () => timeToFirstToken(pair, prompt));

  const file = join(folder, "session.ofs");
  const plain = join(folder, "plain");
  await using session = await pair.createSession();
  await session.prefill(prompt);
  const saveMs: number[] = [];
  const plainWriteMs: number[] = [];
  const restoreMs: number[] = [];
  const plainReadMs: number[] = [];
  const restoredMs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    saveMs.push(await timed(() => session.save(file)));
    plainWriteMs.push(await copyToDisk(file, plain));
    plainReadMs.push(readPlainly(file));
    const begin = performance.now();
    const restored = await pair.restore(file);
    restoreMs.push(performance.now() - begin);
    await firstToken(restored);
    restoredMs.push(performance.now() - begin);
    await restored.dispose();
  }
  return {
    coldMs,
    warmMs,
    restoredMs,
    fileBytes: statSync(file).size,
    saveMs,
    plainWriteMs,
    restoreMs,
    plainReadMs,
    ...(await chat(pair, request)),
  };
});

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

async function repeated(rounds: number, measure: () => Promise<number>): Promise<number[]> {
  const values: number[] = [];
  for (let round = 0; round < rounds; round++) values.push(await measure());
  return values;
}

async function firstToken(session: Session): Promise<void> {
  await session.switch();
  for await (const _ of session.decode({ maxTokens: 1, temperature: 0, ignoreEos: true }));
}

async function timeToFirstToken(pair: Pair, prompt: readonly number[]): Promise<number> {
  await using session = await pair.createSession();
  return await timed(async () => {
    await session.prefill(prompt);
    await firstToken(session);
  });
}

/** Through memory of the size of one piece, as {@link copyToDisk} reads. */
function readPlainly(file: string): number {
  const begin = performance.now();
  const descriptor = openSync(file, "r");
  const piece = Buffer.allocUnsafe(8 << 20);
  while (readSync(descriptor, piece) > 0);
  closeSync(descriptor);
  return performance.now() - begin;
}

/** Each turn sends the whole conversation to a new session, as clients of a server do. */
async function chat(
  pair: Pair,
  { prompt, turns, turnTokens, answerTokens }: LastingRequest,
): Promise<Pick<LastingTiming, "readTokens" | "newTokens">> {
  // Other tokens than the long prompt's.
  const words = [...prompt].reverse();
  const conversation: number[] = [];
  let [readTokens, newTokens] = [0, 0];
  for (let turn = 0; turn < turns; turn++) {
    const before = conversation.length;
    for (let i = 0; i < turnTokens; i++) conversation.push(words[(turn * turnTokens + i) % words.length] ?? 0);
    await using session = await pair.createSession();
    const { promptTokens, cachedTokens } = await session.prefill(conversation);
    readTokens += promptTokens - cachedTokens;
    newTokens += conversation.length - before + (turn === 0 ? 0 : answerTokens);
    await session.switch();
    for await (const { tokens } of session.decode({ maxTokens: answerTokens, temperature: 0, ignoreEos: true }))
      conversation.push(...tokens);
  }
  return { readTokens, newTokens };
}
