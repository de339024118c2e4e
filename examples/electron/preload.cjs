// Hands the port to the page: a sandboxed window has neither Node nor the main process's objects.
const { ipcRenderer } = require("electron");

ipcRenderer.once("chat-port", ({ ports }) => window.postMessage("chat-port", "*", ports));
