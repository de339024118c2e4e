/** A way for messages between an app and its host, whatever it is made of. */

/** One end. Messages arrive in the order in which they were sent. */
export interface HostChannel<Out, In> {
  send(message: Out): void;
  /** Called once, before messages are awaited. */
  listen(onMessage: (message: In) => void, onClose: () => void): void;
  /** Whether the channel keeps this process alive. */
  hold(holds: boolean): void;
  close(): void;
}

/**
 * An end of a message channel: a `MessagePort` of `node:worker_threads`, of a browser's window, or Electron's
 * `MessagePortMain`.
 */
export interface HostPort {
  postMessage(message: unknown): void;
  close?(): void;
  start?(): void;
  ref?(): void;
  unref?(): void;
  on?(event: string, listener: (message: unknown) => void): unknown;
  addEventListener?(event: string, listener: (message: unknown) => void): unknown;
}

/** Browsers and Electron wrap a message in an event; Node hands it over as it is. */
function unwrapped(message: unknown): unknown {
  const { kind, data } = message as { readonly kind?: unknown; readonly data?: unknown };
  return kind === undefined && data !== undefined ? data : message;
}

/** The channel that a port is an end of. */
export function portChannel<Out, In>(port: HostPort): HostChannel<Out, In> {
  const on = (event: string, listener: (message: unknown) => void) =>
    port.on ? port.on(event, listener) : port.addEventListener?.(event, listener);
  return {
    send: (message) => port.postMessage(message),
    listen(onMessage, onClose) {
      on("message", (message) => onMessage(unwrapped(message) as In));
      on("close", onClose);
      port.start?.();
    },
    hold: (holds) => (holds ? port.ref?.() : port.unref?.()),
    close: () => port.close?.(),
  };
}
