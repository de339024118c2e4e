/** Starts the thread that leads to one server, and makes errors of what it finds there. */

import { Worker } from "node:worker_threads";
import { AbortedError, createError } from "../errors/create-error.js";
import type { OverfillError } from "../errors/index.js";
import type { ServerFault } from "./probe.js";
import { protocolVersion } from "./wire.js";

/** What the thread is given. */
export interface RelayData {
  /** For messages. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly keyFile: string | undefined;
  /** For the first answer and for each connection. */
  readonly timeoutMs: number;
  /** For an answer that the server owes, while nothing moves. */
  readonly stallTimeoutMs: number;
}

/** What the thread tells. */
export type RelayMessage =
  | { readonly kind: "ready"; readonly port: number }
  | { readonly kind: "fault"; readonly fault: ServerFault }
  | { readonly kind: "key"; readonly reason: string }
  | { readonly kind: "lost"; readonly reason: string };

export interface Relay {
  /** Where llama.cpp connects to. */
  readonly endpoint: string;
  close(): Promise<void>;
}

/** From the folder that this code is in once it is bundled, too. */
function programUrl(): URL {
  if (!import.meta.url.endsWith(".ts")) return new URL("../remote/relay-worker.js", import.meta.url);
  // In a clone it is TypeScript, whose loader reaches no thread by itself on Node 20. Both names are put together, since
  // bundlers of apps look for what is named in code that they hold, and neither is in the package.
  const source = import.meta.url.replace(/relay\.ts$/, "relay-worker.ts");
  const loader = ["tsx", "esm", "api"].join("/");
  const begin = `import { register } from ${JSON.stringify(import.meta.resolve(loader))}; register(); await import(${JSON.stringify(source)});`;
  return new URL(`data:text/javascript,${encodeURIComponent(begin)}`);
}

function errorOf(url: string, { code, reason, actual }: ServerFault, timeoutMs: number): OverfillError {
  const message = (what: string) => `the server at ${url} ${what}: ${reason}`;
  switch (code) {
    case "TIMEOUT":
      return createError("ERR_REMOTE_TIMEOUT", message(`did not answer within ${timeoutMs} ms`), {
        address: url,
        timeoutMs,
      });
    case "INCOMPATIBLE":
      return createError("ERR_REMOTE_INCOMPATIBLE", message("cannot be used"), {
        address: url,
        expected: protocolVersion,
        ...(actual !== undefined && { actual }),
      });
    case "REFUSED":
      return createError("ERR_REMOTE_REFUSED", message("cannot be used"), { address: url });
    // UNREACHABLE; and a load rejects with an error, whatever the thread told.
    default:
      return createError("ERR_REMOTE_UNREACHABLE", message("cannot be reached"), { address: url });
  }
}

/** Rejects with the codes of RemoteError, and with ERR_ABORTED. */
export function openRelay(asked: RelayData, signal: AbortSignal): Promise<Relay> {
  const { url } = asked;
  const worker = new Worker(programUrl(), { workerData: asked });
  // A pair that nobody asks anything of does not keep the process alive.
  worker.unref();
  let isReady = false;
  return new Promise((resolve, reject) => {
    const fail = (error: OverfillError | AbortedError) => {
      signal.removeEventListener("abort", abort);
      void worker.terminate();
      reject(error);
    };
    const abort = () => fail(new AbortedError("the load was aborted"));
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    // While it is waited for it does.
    worker.ref();
    worker.on("message", (message: RelayMessage) => {
      if (message.kind === "ready") {
        isReady = true;
        worker.unref();
        signal.removeEventListener("abort", abort);
        resolve({
          endpoint: `127.0.0.1:${message.port}`,
          close: async () => {
            await worker.terminate();
          },
        });
      } else if (message.kind === "fault") fail(errorOf(url, message.fault, asked.timeoutMs));
      else if (message.kind === "key")
        fail(createError("ERR_REMOTE_KEY_INVALID", message.reason, { path: asked.keyFile ?? "" }));
      // The thread could not say so itself.
      else process.stderr.write(`${url}: ${message.reason}\n`);
    });
    worker.on("error", (error) => {
      // After the load nobody waits for it: llama.cpp's connections go with the thread, and the log tells why.
      if (isReady) process.stderr.write(`${url}: the relay failed: ${error.message}\n`);
      else fail(createError("ERR_INTERNAL", `the relay to ${url} failed: ${error.message}`, {}, error));
    });
    worker.once("exit", () => {
      if (!isReady) fail(createError("ERR_INTERNAL", `the relay to ${url} ended before it was ready`, {}));
    });
  });
}
