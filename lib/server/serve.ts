/** A handler on node:http. */

import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { createSecureContext } from "node:tls";
import { getRequestListener } from "@hono/node-server";
import { createError } from "../errors/create-error.js";
import { fromCaller, syncFromCaller } from "../internal/caller-stack.js";
import { refusedArgument, toPath } from "../internal/check-options.js";
import { createHandler } from "./handler.js";
import type { RunningServer, ServeOptions, ServerHandler, TlsOptions } from "./options.js";
import { checkListenOptions, checkServerOptions } from "./options-validation.js";

/** Addresses that no other machine can reach. */
const isLoopback = (host: string) => host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);

/** Milliseconds in which a connection has to send its headers, and may be silent between two requests. */
const headersMs = 20_000;
const idleMs = 30_000;

function listen(server: Server, port: number, host: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const reason =
        cause.code === "EADDRINUSE"
          ? "is in use already: choose another port, or 0 for one that is free"
          : `cannot be used (${cause.code})`;
      reject(
        createError(
          "ERR_INVALID_ARGUMENT",
          `options.port: ${host}:${port} ${reason}`,
          { parameter: "options.port" },
          cause,
        ),
      );
    });
    server.listen({ port, host }, () => resolve(server.address() as AddressInfo));
  });
}

/**
 * Throws the ERR_INVALID_ARGUMENT that {@link serve} would reject with, as far as it can be told without listening: for
 * programs that first load what they serve, whose models can stand here as `load`.
 */
export function checkServeOptions(options: ServeOptions): void {
  syncFromCaller(() => {
    const { port = 8080, host = "127.0.0.1", maxConnections = 256, tls, ...rest } = options;
    checkListenOptions({ port, host, maxConnections, tls });
    checkServerOptions(rest);
    if (!isLoopback(host) && (rest.auth?.keys ?? []).length === 0)
      throw refusedArgument("options.auth.keys", `expected keys, since other machines can reach ${host}`, "none");
  });
}

/**
 * Rejects with what {@link serve} would reject with, its address and the files of `tls` included: listens for a moment, so that a
 * port in use is told before models are loaded for it. Whoever takes the port afterwards is told by {@link serve}.
 *
 * Rejects with ERR_INVALID_ARGUMENT, ERR_FILE_READ_FAILED or ERR_DATA_INVALID.
 */
export async function checkListening(options: ServeOptions): Promise<void> {
  return fromCaller(async () => {
    checkServeOptions(options);
    const { port = 8080, host = "127.0.0.1", tls } = options;
    if (tls) readTls(tls);
    const server = createServer();
    await listen(server, port, host);
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
}

/**
 * Serves models on a port of this machine. Only this machine can reach it unless `host` says otherwise, and then keys are
 * needed.
 *
 * Rejects with ERR_INVALID_ARGUMENT, also where the port is in use; with ERR_FILE_READ_FAILED or ERR_DATA_INVALID for the files of
 * `tls`.
 */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  return fromCaller(async () => {
    checkServeOptions(options);
    const { port = 8080, host = "127.0.0.1", maxConnections = 256, tls, ...rest } = options;
    const secrets = tls && readTls(tls);
    const handler = createHandler(rest);
    try {
      return await start(handler, { port, host, maxConnections, secrets });
    } catch (error) {
      await handler.dispose();
      throw error;
    }
  });
}

/** What a server that listens takes, with defaults. */
interface Listening {
  readonly port: number;
  readonly host: string;
  readonly maxConnections: number;
  readonly secrets: Secrets | undefined;
}

interface Secrets {
  readonly cert: Buffer;
  readonly key: Buffer;
}

function readTls({ certificate, key }: TlsOptions): Secrets {
  const read = (file: string | URL, parameter: string) => {
    const path = toPath(file, parameter);
    try {
      return readFileSync(path);
    } catch (cause) {
      throw createError("ERR_FILE_READ_FAILED", `${path} cannot be read`, { path }, cause);
    }
  };
  const secrets = { cert: read(certificate, "options.tls.certificate"), key: read(key, "options.tls.key") };
  try {
    createSecureContext(secrets);
  } catch (cause) {
    const reason = "no certificate in PEM with its key";
    throw createError("ERR_DATA_INVALID", `options.tls: ${reason}`, { reason }, cause);
  }
  return secrets;
}

async function start(
  handler: ServerHandler,
  { port, host, maxConnections, secrets }: Listening,
): Promise<RunningServer> {
  // The app's own Request and Response stay what they are.
  const listener = getRequestListener(handler, { overrideGlobalObjects: false });
  const bounds = { maxHeaderSize: 16 * 1024, headersTimeout: headersMs, keepAliveTimeout: idleMs };
  const server = secrets
    ? createTlsServer({ ...bounds, ...secrets, handshakeTimeout: headersMs }, listener)
    : createServer(bounds, listener);
  server.maxConnections = maxConnections;
  const address = await listen(server, port, host);
  const shown = host.includes(":") ? `[${host}]` : host;
  let closing: Promise<void> | undefined;
  const end = async (graceMs: number) => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    await handler.dispose({ graceMs });
    // What was aborted is told to its readers, who then have a moment to read it.
    const timer = setTimeout(() => server.closeAllConnections(), 250);
    await closed;
    clearTimeout(timer);
  };
  const close: RunningServer["close"] = ({ graceMs = 0 } = {}) => {
    closing ??= end(graceMs);
    return closing;
  };
  return {
    ...{ url: `${secrets ? "https" : "http"}://${shown}:${address.port}`, port: address.port, handler, close },
    [Symbol.asyncDispose]: () => close(),
  };
}
