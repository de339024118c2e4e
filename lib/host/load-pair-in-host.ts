/** Loads a pair in a process of its own, behind the same face as one in this process. */

import { loadBy } from "../engine/load-by.js";
import type { LoadPairOptions } from "../engine/options.js";
import type { Pair } from "../engine/pair.js";
import { isFolder, type PairFolderOptions, withFolder } from "../engine/pair-folder.js";
import { type AskedPair, type CheckedWriter, checkPair } from "../engine/writer-validation.js";
import { fromCaller } from "../internal/caller-stack.js";
import { toPath } from "../internal/check-options.js";
import { isUrl } from "../internal/option-schemas.js";
import { registerEnd } from "../internal/pair-ends.js";
import { EngineHost } from "./engine-host.js";
import { chooseLauncher } from "./launcher.js";
import type { HostInfo, HostOptions } from "./options.js";
import { takeHostOptions } from "./options-validation.js";
import { RemotePair } from "./remote-pair.js";

/** Options of {@link loadPairInHost}: those of a pair, and how its host is run. */
export type LoadPairInHostOptions = LoadPairOptions & HostOptions;

const hosts = new WeakMap<Pair, EngineHost>();

/** Ends the hosts of pairs that nobody holds any more. */
const forgottenPairs = new FinalizationRegistry<EngineHost>((host) => void host.dispose());

/** Loads the pair of a folder in a host. Rejects with what `loadPair` rejects with for a folder, and those of a host. */
export async function loadPairInHost(folder: string | URL, options?: PairFolderOptions & HostOptions): Promise<Pair>;
/**
 * Loads a pair in a host: a process of its own, so that a fault in llama.cpp, a driver or the system's memory costs a call
 * and not the app. What it gives is a {@link Pair}: sessions, chats, evaluation and servers work on it as on any other, with these differences.
 * Its `tokenize`, `detokenize` and `encode` throw ERR_HOST_ASYNC_ONLY, since they answer at once: there are `tokenizeAsync`
 * and the others. `metrics()` and `Session.stats` are as of the last call that ended, or the beginning of the answer that is being read.
 *
 * Tools, callbacks and streams run here. The native part is loaded in the host only. Dispose the pair to end its host;
 * a host whose app has gone ends by itself within a second.
 *
 * A pair whose prefill model lies on other machines' devices (`RemotePlace.devices`) is loaded so: where a server is
 * lost, the crash has ERR_REMOTE_LOST as its `cause`, and while it is away calls reject with the codes of RemoteError.
 *
 * Rejects with what `loadPair` rejects with, and with ERR_HOST_CRASHED. Where the host crashes later, every call that
 * waits for it rejects with ERR_HOST_CRASHED; {@link HostOptions.restart} says how it goes on. After too many crashes all
 * calls reject with ERR_HOST_CRASH_LOOP.
 */
export async function loadPairInHost(options: LoadPairInHostOptions): Promise<Pair>;
export async function loadPairInHost(
  folderOrOptions: LoadPairInHostOptions | string | URL,
  beside?: PairFolderOptions & HostOptions,
): Promise<Pair> {
  return fromCaller(async () => {
    const options: LoadPairInHostOptions = isFolder(folderOrOptions)
      ? await withFolder(folderOrOptions, beside)
      : folderOrOptions;
    const { host: hostOptions, pair: pairOptions } = takeHostOptions(options);
    const asked = checkPair(pairOptions as LoadPairOptions);
    asked.checked.signal?.throwIfAborted();
    const crossing = withPlainPaths(asked);
    const host = new EngineHost(crossing, hostOptions, chooseLauncher(hostOptions));
    const open = (_asked: AskedPair, onProgress: (fraction: number) => void) => {
      const loaded = host.load(onProgress);
      return { native: new RemotePair(host, loaded), loaded };
    };
    const pair = await loadBy(open, asked, options.onProgress);
    hosts.set(pair, host);
    registerEnd(pair, () => host.isOver);
    forgottenPairs.register(pair, host);
    return pair;
  });
}

/** The host of a pair; undefined for a pair of this process. */
export function hostOf(pair: Pair): HostInfo | undefined {
  const host = hosts.get(pair);
  return host && { pid: host.pid, restarts: host.nRestarts };
}

/** Without what cannot cross: URLs, callbacks, signals. */
function withPlainPaths({ checked, writers, service }: AskedPair): AskedPair {
  const { signal: _signal, onProgress: _onProgress, ...plain } = checked;
  return {
    checked: crossed(plain, "options"),
    service,
    writers: writers.map(
      (writer): CheckedWriter => ({
        ...writer,
        source: crossed(writer.source, writer.parameter),
        translator: crossed(writer.translator, "options.translator"),
      }),
    ),
  } as AskedPair;
}

/** The same with a path for each `file:` URL. */
function crossed<Value>(value: Value, parameter: string): Value {
  if (isUrl(value)) return toPath(value, parameter) as Value;
  if (Array.isArray(value)) return value.map((one, i) => crossed(one, `${parameter}.${i}`)) as Value;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, crossed(one, `${parameter}.${name}`)]),
  ) as Value;
}
