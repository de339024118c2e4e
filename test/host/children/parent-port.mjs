// Gives the program `process.parentPort`, as Electron gives it to the program of a utility process: what comes before anybody
// listens is kept.
import { EventEmitter } from "node:events";

const port = new EventEmitter();
const early = [];
port.postMessage = (message) => process.send?.(message, undefined, undefined, () => {});
port.on("newListener", (name) => {
  if (name !== "message") return;
  setImmediate(() => {
    for (const event of early.splice(0)) port.emit("message", event);
  });
});
process.on("message", (data) => {
  const event = { data, ports: [] };
  if (port.listenerCount("message") === 0) early.push(event);
  else port.emit("message", event);
});
process.once("disconnect", () => port.emit("close"));
process.parentPort = port;
