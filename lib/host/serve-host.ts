/** A host at the other end of a port, for an app that starts the process itself. */

import type { HostPort } from "./channel.js";
import { portChannel } from "./channel.js";
import { EngineServer } from "./engine-server.js";
import type { FromHost, ToHost } from "./protocol.js";

/**
 * Runs a pair for whoever has the other end of the port and calls {@link loadPairInHost} with it: in a utility process of
 * Electron whose port goes to a window, say, or in a worker. One pair for each port, which is freed when the port closes.
 * The port has to be used for nothing else.
 */
export function serveHost(port: HostPort): void {
  const server = new EngineServer(portChannel<FromHost, ToHost>(port), () => void server.dispose());
}
