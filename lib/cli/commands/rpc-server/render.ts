/** What `overfill rpc-server` says. */

import type { FrontEvent } from "../../rpc-server/front.js";

const shown = (host: string) => (host.includes(":") ? `[${host}]` : host);

export function renderListening(host: string, port: number, needsKey: boolean): string {
  const scheme = needsKey ? "rpcs" : "rpc";
  return `overfill: devices of this machine at ${scheme}://${shown(host)}:${port}${needsKey ? " (with the key)" : ""}\n`;
}

export const insecureWarning =
  "overfill: WARNING: --insecure-listen: everybody who reaches this address can read what is computed here, and run\n" +
  "overfill: WARNING: code of theirs on this machine. ggml's RPC has no protection of its own. Use --key instead.\n";

/** llama.cpp opens some connections for a question each before the one that it works on. */
const questionBytes = 4096;

export function renderEvent(event: FrontEvent): string {
  switch (event.kind) {
    case "client":
      return "";
    case "end":
      if (event.receivedBytes < questionBytes) return "";
      return `overfill: ${event.address} has gone: ${event.receivedBytes} bytes received, ${event.sentBytes} sent\n`;
    case "refused":
      return `overfill: ${event.address} was refused: ${event.reason}\n`;
  }
}

export const renderCrash = (lastWords: string): string =>
  `overfill: the server ended and is started again. Its last words: ${lastWords.split("\n").at(-1) ?? ""}\n`;

export const renderRemoved = (names: readonly string[]): string =>
  `overfill: removed from the cache, as their bytes are not what their names say: ${names.join(", ")}\n`;
