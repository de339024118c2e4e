/** Time limits on what others say, which count only time in which this process could hear it. */

export interface SilenceLimit {
  /** What was waited for has come. */
  cancel(): void;
}

/**
 * Calls `onSilence` after `ms` milliseconds, unless it is cancelled before. A process that stood still (a stopped one, a
 * machine that slept, a long computation on this thread) finds its timers due before it has read what came meanwhile:
 * so that is read first, and where it stood still for long, the time begins anew.
 *
 * @param ms in milliseconds, > 0
 * @param holds whether the wait keeps the process alive; default true
 */
export function limitSilence(ms: number, onSilence: () => void, holds = true): SilenceLimit {
  let timer: NodeJS.Timeout;
  let turn: NodeJS.Immediate | undefined;
  const wait = () => {
    const dueAt = performance.now() + ms;
    timer = setTimeout(() => {
      if (performance.now() - dueAt > ms / 4 + 10) wait();
      else turn = setImmediate(onSilence);
    }, ms);
    if (!holds) timer.unref();
  };
  wait();
  return {
    cancel: () => {
      clearTimeout(timer);
      clearImmediate(turn);
    },
  };
}
