// Gives the program `process.parentPort`, as Electron gives it to the program of a utility process.
import { EventEmitter } from "node:events";

const port = new EventEmitter();
port.postMessage = (message) => process.send?.(message, undefined, undefined, () => {});
process.on("message", (data) => port.emit("message", { data, ports: [] }));
process.once("disconnect", () => port.emit("close"));
process.parentPort = port;
