// A conversation in the terminal: node chat.mjs full.gguf small.gguf
import { createInterface } from "node:readline/promises";
import { loadPair } from "overfill";

const [prefill, decode = prefill] = process.argv.slice(2);
const pair = await loadPair({ prefill: { model: prefill }, decode: { model: decode } });
const chat = pair.chat({ system: "You are brief.", overflow: "drop-oldest" });

const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: "> " });
let isOpen = true;
terminal.once("close", () => {
  isOpen = false;
});
terminal.prompt();
for await (const line of terminal) {
  for await (const part of chat.send(line, { maxTokens: 512 }))
    if (part.type === "text") process.stdout.write(part.text);
  process.stdout.write("\n");
  if (isOpen) terminal.prompt();
}
await pair.dispose();
