// Any program that speaks to OpenAI, here with OpenAI's own package: node client.mjs http://127.0.0.1:8080/v1 "Hello"
import OpenAI from "openai";

const [baseURL = "http://127.0.0.1:8080/v1", content = "Hello"] = process.argv.slice(2);
// The server has no keys; the package wants one all the same.
const client = new OpenAI({ baseURL, apiKey: "none" });

const stream = await client.chat.completions.create({
  model: "local",
  messages: [{ role: "user", content }],
  max_completion_tokens: 256,
  stream: true,
});
for await (const { choices } of stream) process.stdout.write(choices[0]?.delta.content ?? "");
process.stdout.write("\n");
