/** What a soak measures of its own process, and what it says of it. */

import { readdirSync } from "node:fs";

export interface Sample {
  readonly seconds: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  /** Open descriptors and threads; 0 where the system does not tell. */
  readonly descriptors: number;
  readonly threads: number;
  /** Computed so far. */
  readonly tokens: number;
}

function entriesOf(folder: string): number {
  return process.platform === "linux" ? readdirSync(folder).length : 0;
}

/** While nothing runs; garbage is collected before. */
export function sample(begin: number, tokens: number): Sample {
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  return {
    seconds: (performance.now() - begin) / 1000,
    ...{ rssBytes: rss, heapBytes: heapUsed, tokens },
    descriptors: entriesOf("/proc/self/fd"),
    threads: entriesOf("/proc/self/task"),
  };
}

export interface Verdict {
  /** Of the end to the time after the first tenth, as medians of a tenth of the samples each; 1 is no growth. */
  readonly rssRatio: number;
  readonly descriptorsLeft: number;
  readonly threadsLeft: number;
  /** Whether the run was long enough to be judged by, and kept to its bounds. */
  readonly judged: boolean;
  readonly passed: boolean;
}

const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Shorter runs have not come to rest. */
const leastSeconds = 600;
const mostGrowth = 1.02;

/** Throws a RangeError for fewer samples than ten. */
export function judge(samples: readonly Sample[]): Verdict {
  const tenth = Math.floor(samples.length / 10);
  if (tenth === 0) throw new RangeError("too few samples");
  const [after, end] = [samples.slice(tenth, 2 * tenth), samples.slice(-tenth)];
  const growthOf = (of: (one: Sample) => number) => median(end.map(of)) - median(after.map(of));
  const rssRatio = median(end.map((one) => one.rssBytes)) / median(after.map((one) => one.rssBytes));
  const descriptorsLeft = growthOf((one) => one.descriptors);
  const threadsLeft = growthOf((one) => one.threads);
  const judged = (samples.at(-1)?.seconds ?? 0) >= leastSeconds;
  const passed = descriptorsLeft <= 0 && threadsLeft <= 0 && (!judged || rssRatio <= mostGrowth);
  return { ...{ rssRatio, descriptorsLeft, threadsLeft, judged, passed } };
}
