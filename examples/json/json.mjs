// An answer that is an object: node json.mjs full.gguf small.gguf
import { loadPair } from "overfill";

const [prefill, decode = prefill] = process.argv.slice(2);
const pair = await loadPair({ prefill: { model: prefill }, decode: { model: decode } });
const chat = pair.chat();

const schema = {
  type: "object",
  properties: { sky: { enum: ["clear", "cloudy", "rain"] }, degrees: { type: "integer", minimum: -50, maximum: 50 } },
  required: ["sky", "degrees"],
};
const text = "Graz: 21 degrees, not a cloud.";
const { object } = await chat.send(text, { schema, reasoning: false, maxTokens: 1024 }).finished;
console.log(object);
await pair.dispose();
