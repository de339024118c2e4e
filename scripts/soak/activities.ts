/** What a soak does, at random: each activity opens what it needs, uses it, and gives all of it back. */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import {
  type DecodeOptions,
  demoPair,
  demoPrompt,
  demoQuestions,
  loadPair,
  OverfillError,
  type Pair,
  type Session,
} from "../../lib/index.js";
import type { Random } from "../../test/support/random.js";

export const quiet = { threads: 1, gpu: false } as const;

/** Totals since the beginning. */
export interface SoakCounts {
  tokens: number;
  sessions: number;
  chats: number;
  aborts: number;
  saves: number;
  forks: number;
  workers: number;
  terminatedWorkers: number;
  pairs: number;
  refusals: number;
}

export const noCounts = (): SoakCounts => ({
  ...{ tokens: 0, sessions: 0, chats: 0, aborts: 0, saves: 0, forks: 0 },
  ...{ workers: 0, terminatedWorkers: 0, pairs: 0, refusals: 0 },
});

export interface Soak {
  /** The pair that lives as long as the soak. */
  readonly pair: Pair;
  readonly random: Random;
  readonly folder: string;
  readonly counts: SoakCounts;
}

const below = (random: Random, n: number) => Math.floor(random() * n);

function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[below(random, items.length)] as Item;
}

const somePrompt = (random: Random) =>
  random() < 0.3 ? demoPrompt : `${pick(random, demoQuestions).prompt}${"\n And more .".repeat(below(random, 12))}`;

function someOptions(random: Random): DecodeOptions {
  return {
    ...{ maxTokens: 1 + below(random, 120), temperature: pick(random, [0, 0.8, 1.3]), seed: below(random, 1e6) },
    ignoreEos: random() < 0.6,
    ...(random() < 0.2 && { logProbs: 3 }),
    ...(random() < 0.2 && { grammar: "root ::= [a-zA-Z .,]+" }),
    ...(random() < 0.2 && { refreshInterval: 8 + below(random, 40) }),
    ...(random() < 0.2 && { stop: [" the"] }),
  };
}

/** Writes an answer; now and then it is left, or stopped, in its middle. */
async function writes(session: Session, { random, counts }: Soak): Promise<void> {
  const controller = new AbortController();
  const reason = { why: "enough" };
  const end = random() < 0.3 ? pick(random, ["abort", "leave"] as const) : undefined;
  let left = 1 + below(random, 30);
  try {
    for await (const { tokens } of session.decode({ ...someOptions(random), signal: controller.signal })) {
      counts.tokens += tokens.length;
      left -= tokens.length;
      if (left > 0 || !end) continue;
      counts.aborts++;
      if (end === "leave") break;
      controller.abort(reason);
    }
  } catch (error) {
    if (error !== reason) throw error;
  }
}

async function reads(session: Session, soak: Soak): Promise<void> {
  const { random, counts } = soak;
  const reason = { why: "not this" };
  const controller = new AbortController();
  const aborted = random() < 0.1;
  const prompt = somePrompt(random);
  const onProgress = () => aborted && controller.abort(reason);
  try {
    const { promptTokens } = await session.prefill(prompt, { replace: true, onProgress, signal: controller.signal });
    counts.tokens += promptTokens;
  } catch (error) {
    if (error !== reason) throw error;
    counts.aborts++;
    await session.prefill(prompt, { replace: true });
  }
}

async function talks(soak: Soak): Promise<void> {
  const { pair, random, counts, folder } = soak;
  counts.sessions++;
  await using session = await pair.createSession();
  for (let turns = 1 + below(random, 3); turns > 0; turns--) {
    await reads(session, soak);
    await session.switch();
    await writes(session, soak);
  }
  if (random() < 0.2) {
    counts.forks++;
    await using fork = await session.fork();
    await reads(fork, soak);
  }
  if (random() > 0.2) return;
  const file = join(folder, `${below(random, 1e9)}.ofs`);
  counts.saves++;
  await session.save(file);
  await session.dispose();
  await using twin = await pair.restore(file);
  await reads(twin, soak);
  rmSync(file);
}

async function chats(soak: Soak): Promise<void> {
  const { pair, random, counts } = soak;
  counts.chats++;
  await using chat = pair.chat({ template: "chatml" });
  for (let turns = 1 + below(random, 3); turns > 0; turns--) {
    const controller = new AbortController();
    const reason = { why: "bored" };
    const stream = chat.send(pick(random, demoQuestions).question, {
      ...{ maxTokens: 1 + below(random, 60), temperature: 0.8, signal: controller.signal },
    });
    const aborted = random() < 0.2;
    try {
      for await (const _ of stream) {
        counts.tokens++;
        if (!aborted) continue;
        counts.aborts++;
        controller.abort(reason);
      }
    } catch (error) {
      if (error !== reason) throw error;
    }
  }
}

async function loads({ random, counts }: Soak): Promise<void> {
  counts.pairs++;
  await using pair = await loadPair({
    ...{ ...demoPair, ...quiet, handover: pick(random, ["auto", "translate"] as const) },
    ...{ maxSessions: 1 + below(random, 3), contextSize: pick(random, [512, 1024]) },
  });
  const session = await pair.createSession();
  const { tokens } = await session.generate(somePrompt(random), { ...someOptions(random), ignoreEos: true });
  counts.tokens += tokens.length;
  // What nobody disposes goes with its pair.
  if (random() < 0.5) await session.dispose();
}

async function isRefused({ pair, random, counts }: Soak): Promise<void> {
  counts.refusals++;
  const attempts = [
    () => loadPair({ ...quiet, prefill: { model: import.meta.filename } }),
    () => pair.restore(import.meta.filename),
    async () => {
      await using session = await pair.createSession();
      await session.generate("a", { grammar: "root ::= (" });
    },
    async () => {
      await using session = await pair.createSession();
      await session.prefill(new Array(100_000).fill(5));
    },
  ];
  const error: unknown = await pick(random, attempts)().then(
    () => new Error("it was not refused"),
    (thrown: unknown) => thrown,
  );
  if (!OverfillError.isInstance(error)) throw error;
}

/** A worker with a pair of its own, which ends by itself or is terminated wherever it is. */
async function works({ random, counts }: Soak): Promise<void> {
  counts.workers++;
  const seed = below(random, 1e6);
  const worker = new Worker(new URL("./worker.mjs", import.meta.url), { execArgv: [], workerData: { seed } });
  const ended = new Promise<void>((resolve, reject) => {
    worker.on("error", reject);
    worker.on("exit", () => resolve());
  });
  const last = pick(random, ["loaded", "read", "writing", "none"] as const);
  worker.on("message", ({ stage, tokens = 0 }: { stage?: string; tokens?: number }) => {
    counts.tokens += tokens;
    if (stage !== last) return;
    counts.terminatedWorkers++;
    void worker.terminate();
  });
  await ended;
}

/** Those that take the least time are done the most. */
export const activities: readonly ((soak: Soak) => Promise<void>)[] = [
  ...[talks, talks, talks, talks, talks, talks, chats, chats, chats],
  ...[isRefused, loads, works],
];

/** What the pair answers to a prompt of its own: the same, as long as all is well. */
export async function knownAnswer(pair: Pair): Promise<string> {
  await using session = await pair.createSession();
  const { tokens } = await session.generate(demoPrompt, { temperature: 0, maxTokens: 64, ignoreEos: true });
  return tokens.join(" ");
}
