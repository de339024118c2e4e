/** Which pairs have a host. It loads nothing, so that who only asks does not load what hosts are made of. */

import type { Pair } from "../engine/pair.js";
import type { EngineHost } from "./engine-host.js";
import type { HostInfo } from "./options.js";

const hosts = new WeakMap<Pair, EngineHost>();

export function registerHost(pair: Pair, host: EngineHost): void {
  hosts.set(pair, host);
}

/** The host of a pair; undefined for a pair of this process. */
export function hostOf(pair: Pair): HostInfo | undefined {
  const host = hosts.get(pair);
  return host && { pid: host.pid, restarts: host.nRestarts };
}

/** Whether a pair had a host that has ended and is not started again. */
export const hasEnded = (pair: Pair): boolean => hosts.get(pair)?.isOver ?? false;
