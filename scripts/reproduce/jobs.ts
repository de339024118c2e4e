/**
 * Jobs that make files from files. A job's key is a hash of what it does and of the keys of the jobs whose files it
 * reads; it is written beside the file when that is whole. So a run that was interrupted goes on where it was, and a
 * change of the plan makes again just what depends on it.
 */

import { createHash } from "node:crypto";
import { createWriteStream, existsSync, readFileSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

export interface Job {
  /** What the file is, for people. */
  readonly name: string;
  /** The file that it makes. */
  readonly out: string;
  readonly needs: readonly Job[];
  /** All that the file depends on besides `needs`: plain values. */
  readonly options: unknown;
  /** Makes the file. May have been begun and killed before. */
  run(signal: AbortSignal, onProgress: (fraction: number) => void): Promise<void>;
}

export function keyOf(job: Job): string {
  const parts = [job.name, JSON.stringify(job.options), ...job.needs.map(keyOf)];
  return createHash("sha256").update(parts.join("\n")).digest("hex");
}

const stampOf = (job: Job) => `${job.out}.key`;

export function isDone(job: Job): boolean {
  const stamp = stampOf(job);
  return existsSync(job.out) && existsSync(stamp) && readFileSync(stamp, "utf8") === keyOf(job);
}

export interface JobEvents {
  onBegin?(job: Job): void;
  onProgress?(job: Job, fraction: number): void;
  /** `ms`: undefined where the file was there. */
  onEnd?(job: Job, ms: number | undefined): void;
}

/**
 * Runs jobs and all that they need, `atOnce` at a time, in the order given where there is a choice. The first failure
 * stops the others and is thrown.
 */
export async function runJobs(
  wanted: readonly Job[],
  { atOnce, signal, events = {} }: { atOnce: number; signal?: AbortSignal; events?: JobEvents },
): Promise<void> {
  const waiting = inOrder(wanted);
  const done = new Set<Job>();
  const failed = new AbortController();
  const stop = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  const running = new Set<Promise<void>>();

  const work = async (job: Job) => {
    if (isDone(job)) events.onEnd?.(job, undefined);
    else {
      events.onBegin?.(job);
      const begun = performance.now();
      await mkdir(dirname(job.out), { recursive: true });
      await job.run(stop, (fraction) => events.onProgress?.(job, fraction));
      await put(stampOf(job), keyOf(job));
      events.onEnd?.(job, performance.now() - begun);
    }
    done.add(job);
  };

  try {
    while (waiting.length > 0 || running.size > 0) {
      stop.throwIfAborted();
      const next = waiting.findIndex((job) => job.needs.every((needed) => done.has(needed)));
      if (next < 0 || running.size >= atOnce) {
        await Promise.race(running);
        continue;
      }
      const run: Promise<void> = work(waiting.splice(next, 1)[0] as Job).finally(() => running.delete(run));
      running.add(run);
    }
  } catch (error) {
    // The others end before this does, so that nothing writes any more when the caller goes on.
    failed.abort(error);
    await Promise.allSettled(running);
    throw error;
  }
}

/** Every job once, behind those that it needs. */
function inOrder(wanted: readonly Job[]): Job[] {
  const order = new Set<Job>();
  const visit = (job: Job) => {
    if (order.has(job)) return;
    for (const needed of job.needs) visit(needed);
    order.add(job);
  };
  for (const job of wanted) visit(job);
  return [...order];
}

/** Writes a file whole or not at all. Pieces are drawn as they are written, so that signals get their turn. */
export async function put(path: string, content: string | Iterable<string>, signal?: AbortSignal): Promise<void> {
  try {
    await pipeline(Readable.from(content), createWriteStream(`${path}.part`), { signal });
  } catch (error) {
    // The reason, and not the stream's own error that it was stopped.
    signal?.throwIfAborted();
    throw error;
  }
  await rename(`${path}.part`, path);
}
