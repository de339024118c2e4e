/**
 * The process of {@link measureLasting}: one long prompt, read, read again, saved and restored, and found on disk by other
 * pairs; and a chat of many turns.
 */

import { statSync } from "node:fs";
import { join } from "node:path";
import { type LoadPairOptions, loadPair, type Pair, type Session } from "../../lib/index.js";
import { serve } from "../child-process.js";
import { copyAndReplace, copyToDisk, MemoryCopy, readThrough } from "../plain-copy.js";

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
  /** The same in pairs that are new and find the prompt in the folder of another pair's prefix cache, and how much of it. */
  readonly onDiskMs: readonly number[];
  readonly onDiskTokens: number;
  readonly fileBytes: number;
  /** Writing the session's file; a plain copy of it that takes an earlier one's place as well, and one over an earlier one. */
  readonly saveMs: readonly number[];
  readonly copyMs: readonly number[];
  readonly overwriteMs: readonly number[];
  /** Restoring it from the page cache, as many bytes from memory to memory, and reading the file without keeping it. */
  readonly restoreMs: readonly number[];
  readonly memoryCopyMs: readonly number[];
  readonly readMs: readonly number[];
  /** Of the chat, each turn of which is a new session: tokens that were read, and that were new. */
  readonly readTokens: number;
  readonly newTokens: number;
}

serve<LastingRequest, LastingTiming>(async (request) => {
  const { prefill, decode, threads, contextSize, prompt, rounds, folder } = request;
  const load = (prefixCache: LoadPairOptions["prefixCache"]) =>
    loadPair({
      prefill: { model: prefill },
      decode: { model: decode },
      contextSize,
      maxSessions: 2,
      threads,
      gpu: false,
      prefixCache,
    });
  await using pair = await load(undefined);
  const coldMs = await timeToFirstToken(pair, prompt);
  const warmMs = await repeated(rounds, () => timeToFirstToken(pair, prompt));

  const file = join(folder, "session.ofs");
  const plain = join(folder, "plain");
  const overwritten = join(folder, "overwritten");
  await using session = await pair.createSession();
  await session.prefill(prompt);
  // Once without being measured: each takes an earlier file's place.
  await session.save(file);
  copyAndReplace(file, plain);
  copyToDisk(file, overwritten);
  const fileBytes = statSync(file).size;
  const memory = new MemoryCopy(fileBytes);
  const [saveMs, copyMs, overwriteMs, memoryCopyMs, readMs, restoreMs, restoredMs] = Array.from(
    { length: 7 },
    (): number[] => [],
  ) as [number[], number[], number[], number[], number[], number[], number[]];
  for (let round = 0; round < rounds; round++) {
    saveMs.push(await timed(() => session.save(file)));
    copyMs.push(copyAndReplace(file, plain));
    overwriteMs.push(copyToDisk(file, overwritten));
    memoryCopyMs.push(memory.run());
    readMs.push(readThrough(file));
    const begin = performance.now();
    const restored = await pair.restore(file);
    restoreMs.push(performance.now() - begin);
    await firstToken(restored);
    restoredMs.push(performance.now() - begin);
    await restored.dispose();
  }
  return {
    ...{ coldMs, warmMs, restoredMs, fileBytes, saveMs, copyMs, overwriteMs, restoreMs, memoryCopyMs, readMs },
    ...(await chat(pair, request)),
    ...(await onDisk(() => load({ directory: join(folder, "prefixes") }), request)),
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

/** The first pair's reading is not measured, since it writes meanwhile. */
async function onDisk(
  load: () => Promise<Pair>,
  { prompt, rounds }: LastingRequest,
): Promise<Pick<LastingTiming, "onDiskMs" | "onDiskTokens">> {
  const reader = await load();
  await reader.warm(prompt);
  await reader.dispose();
  const onDiskMs: number[] = [];
  let onDiskTokens = 0;
  for (let round = 0; round < rounds; round++) {
    await using pair = await load();
    onDiskMs.push(await timeToFirstToken(pair, prompt));
    onDiskTokens = pair.metrics().prefixCache?.cachedTokens ?? 0;
  }
  return { onDiskMs, onDiskTokens };
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
