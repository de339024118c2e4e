/** Jobs that run several at a time, and whose results are taken one after the other, in the jobs' order. */

export interface OrderedJobs<Result> {
  /** The first job's number. */
  readonly first: number;
  /** Behind the last job's number. */
  readonly end: number;
  /** How many run at a time. */
  readonly atOnce: number;
  /** Does a job. Rejects with `signal.reason` when aborted. */
  work(index: number, signal: AbortSignal): Promise<Result>;
  /** Takes a result. Only one runs at a time. */
  take(index: number, result: Result): Promise<void>;
}

/** Rejects with what the first of them to fail rejects with, when all have ended: what was taken until then stays. */
export async function runInOrder<Result>(jobs: OrderedJobs<Result>, signal: AbortSignal | undefined): Promise<void> {
  const failed = new AbortController();
  const either = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  const done = new Map<number, Result>();
  let next = jobs.first;
  let taken = jobs.first;
  let taking: Promise<void> = Promise.resolve();

  const takeReady = async () => {
    for (let result = done.get(taken); result !== undefined; result = done.get(taken)) {
      done.delete(taken);
      await jobs.take(taken, result);
      taken++;
    }
  };
  const workOn = async () => {
    while (next < jobs.end) {
      either.throwIfAborted();
      const index = next++;
      done.set(index, await jobs.work(index, either));
      taking = taking.then(takeReady);
      await taking;
    }
  };

  let error: { readonly thrown: unknown } | undefined;
  const workers = Array.from({ length: Math.min(jobs.atOnce, jobs.end - jobs.first) }, () =>
    workOn().catch((thrown: unknown) => {
      error ??= { thrown };
      failed.abort(thrown);
    }),
  );
  await Promise.all(workers);
  if (error) throw error.thrown;
}
