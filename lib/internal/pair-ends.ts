/** Which pairs can end by themselves: the hosts' room tells, and the server's asks, which loads no hosts for that. */

const ends = new WeakMap<object, () => boolean>();

export function registerEnd(pair: object, hasEnded: () => boolean): void {
  ends.set(pair, hasEnded);
}

/** Whether a pair had a host that has ended and is not started again. */
export const hasEnded = (pair: object): boolean => ends.get(pair)?.() ?? false;
