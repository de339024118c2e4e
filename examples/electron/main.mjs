// The main process: loads the pair in a utility process, and gives each window a port to a chat of its own.
import { join } from "node:path";
import { app, BrowserWindow, MessageChannelMain } from "electron";
import { loadPairInHost } from "overfill/host";
import { serveChat } from "./chat.mjs";
import { models, options } from "./models.mjs";

const pair = loadPairInHost({
  ...models,
  maxSessions: 4,
  onCrash: (error) => console.error(error.message),
});

async function openWindow() {
  const window = new BrowserWindow({
    width: 720,
    height: 640,
    webPreferences: { preload: join(import.meta.dirname, "preload.cjs"), contextIsolation: true, sandbox: true },
  });
  await window.loadFile(join(import.meta.dirname, "index.html"));
  const { port1, port2 } = new MessageChannelMain();
  serveChat(await pair, port1, options);
  window.webContents.postMessage("chat-port", null, [port2]);
}

await app.whenReady();
await openWindow();
app.on("window-all-closed", async () => {
  await (await pair).dispose();
  app.quit();
});
