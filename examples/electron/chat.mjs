// A chat at one end of a port. The window at the other end sends { send: text } or { stop: true }, and is sent the parts of
// the answer as they come, and then { type: "end" } or { type: "error", code, message }.

/** Answers what comes through the port, until it closes. */
export function serveChat(pair, port, options) {
  const chat = pair.chat(options);
  let stream;
  port.on("message", async ({ data }) => {
    if (data.stop) return stream?.abort();
    try {
      stream = chat.send(data.send, { maxTokens: 512 });
      for await (const part of stream) port.postMessage(part);
      port.postMessage({ type: "end" });
    } catch (error) {
      // After a crash the pair comes back by itself: the next message is answered.
      if (error?.name !== "AbortError") port.postMessage({ type: "error", code: error.code, message: error.message });
      else port.postMessage({ type: "end" });
    }
  });
  port.on("close", () => chat.dispose());
  port.start();
}
