/** Pairs in hosts, and their ends. */

import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { hostOf, type LoadPairInHostOptions, loadPairInHost } from "../../lib/host/index.js";
import type { OverfillError, Pair } from "../../lib/index.js";
import { quiet } from "../engine/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";
import { type TinyModelOptions, writeTinyModel } from "../support/tiny-model.js";

/** A host and what it tells. */
export interface OpenedHost {
  readonly pair: Pair;
  readonly crashes: OverfillError[];
  /** Resolves with the next restart. */
  restarted(): Promise<void>;
  /** The process; throws where there is none. */
  pid(): number;
}

/** Loads a pair of tiny models in a host; both go with the test. */
export async function openHost(
  t: Pick<ExecutionContext, "teardown">,
  {
    prefill = {},
    decode = { ...(prefill.nLayers !== undefined && { nLayers: prefill.nLayers }), seed: 2, nEmbd: 32, nFf: 64 },
    ...options
  }: Partial<Omit<LoadPairInHostOptions, "prefill" | "decode">> & {
    readonly prefill?: TinyModelOptions;
    readonly decode?: TinyModelOptions;
  } = {},
): Promise<OpenedHost> {
  const dir = withTempDir(t);
  const events = new EventTarget();
  const crashes: OverfillError[] = [];
  // A host that nothing is asked of keeps nobody alive, also where a test waits for its end.
  const awake = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(awake));
  const pair = await loadPairInHost({
    ...quiet,
    ...options,
    prefill: { model: (await writeTinyModel(join(dir, "prefill.gguf"), prefill)).path },
    decode: { model: (await writeTinyModel(join(dir, "decode.gguf"), decode)).path },
    onCrash: (error) => {
      crashes.push(error);
      options.onCrash?.(error);
    },
    onRestart: () => {
      events.dispatchEvent(new Event("restart"));
    },
  });
  t.teardown(() => pair.dispose());
  return {
    pair,
    crashes,
    restarted: async () => {
      await once(events, "restart");
    },
    pid: () => {
      const pid = hostOf(pair)?.pid;
      if (pid === undefined) throw new Error("the host has no process");
      return pid;
    },
  };
}

/** The hosts that a process has started, whichever of its threads did. On Linux. */
export function hostsOf(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").trim().split(" "),
  );
  const isHost = (child: string) => readFileSync(`/proc/${child}/cmdline`, "utf8").includes(join("host", "child"));
  return children.filter((child) => child !== "" && isHost(child)).map(Number);
}

/** Whether a process of this number is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
