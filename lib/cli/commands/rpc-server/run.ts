/** What `overfill rpc-server` does: starts the process that serves, listens in front of it, and stops when it is told to. */

import { mkdirSync, type Stats, statSync } from "node:fs";
import { resolve } from "node:path";
import { createError } from "../../../errors/create-error.js";
import { check } from "../../../internal/check-options.js";
import { threads as threadsSchema } from "../../../internal/option-schemas.js";
import { chooseThreads } from "../../../internal/threads.js";
import { type Key, KeyFault, readKey } from "../../../remote/key.js";
import { UsageError } from "../../exit.js";
import { Backend } from "../../rpc-server/backend.js";
import { Front } from "../../rpc-server/front.js";
import { listenForStop } from "../../stop-signals.js";
import { write } from "../../terminal.js";
import { type RpcServerFlags, usualAddress } from "./flags.js";
import { insecureWarning, renderCrash, renderEvent, renderListening, renderRemoved } from "./render.js";

const isLoopback = (host: string) => /^127(\.\d{1,3}){3}$/.test(host) || host === "localhost" || host === "::1";

function keyOf({ key }: RpcServerFlags): Key | undefined {
  if (key === undefined) return undefined;
  try {
    return readKey(key);
  } catch (error) {
    if (error instanceof KeyFault) throw createError("ERR_REMOTE_KEY_INVALID", error.message, { path: key });
    throw error;
  }
}

function folderOf({ cache }: RpcServerFlags): string {
  if (cache === undefined) return "";
  const folder = resolve(cache);
  let state: Stats;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    state = statSync(folder);
  } catch (error) {
    throw createError("ERR_FILE_WRITE_FAILED", `${folder} cannot be made: ${(error as Error).message}`, {
      path: folder,
    });
  }
  // What is in it is weights, which anybody who writes there could replace. Windows has neither such bits nor numbers.
  if (process.geteuid === undefined) return folder;
  if (state.uid !== process.geteuid()) throw new UsageError(`--cache ${folder} is another user's folder`);
  if ((state.mode & 0o022) !== 0)
    throw new UsageError(`others may write to --cache ${folder}: chmod go-w ${folder}, and remove what is in it`);
  return folder;
}

export async function runRpcServer(flags: RpcServerFlags): Promise<void> {
  const { listen = usualAddress, insecureListen = false, quiet = false, gpu = "auto" } = flags;
  const isOpen = !isLoopback(listen.host) && flags.key === undefined;
  if (isOpen && !insecureListen)
    throw new UsageError(
      `--listen ${listen.host}:${listen.port} lets other machines in, which takes a --key (overfill rpc-key makes one)`,
    );
  if (insecureListen && flags.key !== undefined)
    throw new UsageError("--insecure-listen is for a server without a key: give it or --key");
  const threads = check(threadsSchema(), flags.threads ?? chooseThreads().threads, "options.threads");
  const key = keyOf(flags);
  const cacheDirectory = folderOf(flags);

  const { signal, release } = listenForStop();
  const tell = (text: string) => void (quiet || process.stderr.write(text));
  const backend = new Backend(
    { gpu: gpu === "off" ? false : gpu, threads, cacheDirectory },
    (words) => tell(renderCrash(words)),
    { onRemoved: (names) => tell(renderRemoved(names)) },
  );
  let front: Front | undefined;
  try {
    await Promise.race([backend.port, stopped(signal)]);
    if (signal.aborted) return;
    front = await Front.listen({
      ...listen,
      key,
      backend: () => backend.port,
      onEvent: (event) => tell(renderEvent(event)),
    });
    if (isOpen) await write(process.stderr, insecureWarning);
    await write(process.stderr, renderListening(listen.host, front.port, key !== undefined));
    await Promise.race([stopped(signal), backend.failed]);
  } finally {
    await front?.close();
    await backend.close();
    release();
  }
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    else signal.addEventListener("abort", () => done(), { once: true });
  });
}
