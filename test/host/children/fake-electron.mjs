// As much of Electron's main process as the example uses. The window is a script: it sends one message through its port, prints
// what comes, and closes.
import { EventEmitter } from "node:events";
import { MessageChannel } from "node:worker_threads";

/** What the window sends, and with which part an answer has ended for it. */
const { message, last } = JSON.parse(
  process.env.FAKE_WINDOW ?? '{ "message": { "send": "3 gray lamps" }, "last": "end" }',
);

class App extends EventEmitter {
  async whenReady() {}
  quit() {
    console.log(JSON.stringify({ type: "quit" }));
  }
}
export const app = new App();

/** Ports of the main process wrap a message in an event. */
class PortMain extends EventEmitter {
  constructor(port) {
    super();
    this.port = port;
  }
  start() {
    this.port.on("message", (data) => this.emit("message", { data, ports: [] }));
    this.port.on("close", () => this.emit("close"));
  }
  postMessage(message) {
    this.port.postMessage(message);
  }
}

export class MessageChannelMain {
  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.port1 = new PortMain(port1);
    this.port2 = port2;
  }
}

export class BrowserWindow {
  constructor(options) {
    console.log(JSON.stringify({ type: "window", preferences: options.webPreferences }));
  }
  async loadFile(file) {
    console.log(JSON.stringify({ type: "page", file }));
  }
  webContents = {
    postMessage(channel, _message, [port]) {
      console.log(JSON.stringify({ type: "port", channel }));
      port.on("message", (part) => {
        console.log(JSON.stringify(part));
        if (part.type !== last && part.type !== "error") return;
        port.close();
        app.emit("window-all-closed");
      });
      port.postMessage(message);
    },
  };
}
