// The machine that writes has the small model alone: node writer.mjs small.gguf http://127.0.0.1:8080 "Hello"
import { loadPair } from "overfill";

const [decode, url = "http://127.0.0.1:8080", question = "Will it rain in Graz?"] = process.argv.slice(2);
const pair = await loadPair({ prefill: { url }, decode: { model: decode } });
const chat = pair.chat({ system: "You are brief." });

const stream = chat.send(question, { maxTokens: 256 });
for await (const part of stream) if (part.type === "text") process.stdout.write(part.text);
const { usage } = await stream.finished;
console.log(`\n${usage.promptTokens} tokens were read there, ${usage.completionTokens} written here`);
await pair.dispose();
