/**
 * The program of the process that serves: llama.cpp's RPC server on this machine's loopback, which blocks its thread for
 * good and may end the process where a client sends nonsense. It ends with the command that started it.
 */

import { loadBinding, loadGpu } from "../internal/load-binding.js";
import type { GpuOption } from "../internal/model-source.js";

/** What the process is given, as JSON in its only argument. */
export interface ServedDevices {
  readonly port: number;
  readonly gpu: GpuOption;
  readonly threads: number;
  /** "": none. */
  readonly cacheDirectory: string;
  readonly parentProcess: number;
}

// A Ctrl-C, a closed terminal and what a service manager sends to the whole group are for the command, which ends this
// process by SIGKILL.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});

const { port, gpu, threads, cacheDirectory, parentProcess } = JSON.parse(process.argv[2] ?? "") as ServedDevices;
try {
  loadBinding().endWithParent(parentProcess);
  const { kind } = loadGpu(gpu);
  loadBinding().serveRpc({ endpoint: `127.0.0.1:${port}`, cacheDirectory, threads, useGpu: kind !== false });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
