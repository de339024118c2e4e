// Tools that run here: node tools.mjs full.gguf small.gguf
import { loadPair } from "overfill";

const [prefill, decode = prefill] = process.argv.slice(2);
const pair = await loadPair({ prefill: { model: prefill }, decode: { model: decode } });
const chat = pair.chat({
  tools: {
    weather: {
      description: "The weather of a city.",
      inputSchema: { type: "object", properties: { city: { type: "string", maxLength: 40 } }, required: ["city"] },
      execute: ({ city }) => ({ city, sky: "clear", degrees: 21 }),
    },
  },
});

for await (const part of chat.send("How is the weather in Graz?", { maxTokens: 256, maxSteps: 4 })) {
  if (part.type === "text") process.stdout.write(part.text);
  if (part.type === "tool-call") console.log(`\n${part.toolName}(${JSON.stringify(part.input)})`);
  if (part.type === "tool-result") console.log("->", part.output);
  if (part.type === "finish") console.log(`\n${part.finishReason}, ${part.usage.completionTokens} tokens`);
}
await pair.dispose();
