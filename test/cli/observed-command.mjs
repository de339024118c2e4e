/**
 * Loaded into a command before it starts (`--import`), for tests that wait for what it does: tells the parent by messages
 * when it listens for Ctrl-C ("listens") and when its standard output takes no more ("full"). With OVERFILL_TEST_TERMINAL
 * its standard error passes for a terminal, so that it shows its progress there.
 */
process.on("newListener", (name) => {
  // The listener is in its place when this turn is over.
  if (name === "SIGINT") setImmediate(() => process.send?.("listens"));
});

const write = process.stdout.write;
process.stdout.write = function (...args) {
  const takesMore = write.apply(this, args);
  // What the system took is gone from the buffer by then.
  setImmediate(() => this.writableLength > 0 && process.send?.("full"));
  return takesMore;
};

if (process.env.OVERFILL_TEST_TERMINAL) process.stderr.isTTY = true;

// Nobody writes to this process: the channel must not keep it alive.
process.channel?.unref();
