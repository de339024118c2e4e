// An agent with the tools of an MCP server: node agent.mjs full.gguf small.gguf "How is the weather in Graz?"
import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { loadPair } from "overfill";

const [prefill, decode = prefill, question = "How is the weather in Graz?"] = process.argv.slice(2);

// Any server will do: here it is the program beside this one.
const client = new Client({ name: "agent", version: "1.0.0" });
const server = fileURLToPath(new URL("server.mjs", import.meta.url));
await client.connect(new StdioClientTransport({ command: process.execPath, args: [server] }));
const { tools } = await client.listTools();

const toolOf = ({ name, description, inputSchema }) => ({
  description,
  inputSchema,
  async execute(input, { signal }) {
    const { content, isError } = await client.callTool({ name, arguments: input }, undefined, { signal });
    const text = content.map((part) => part.text ?? "").join("\n");
    // What goes wrong is told to the model, which may try something else.
    if (isError) throw new Error(text);
    return text;
  },
});

const pair = await loadPair({ prefill: { model: prefill }, decode: { model: decode } });
const chat = pair.chat({ tools: Object.fromEntries(tools.map((tool) => [tool.name, toolOf(tool)])), maxSteps: 8 });
for await (const part of chat.send(question, { maxTokens: 512 })) {
  if (part.type === "text") process.stdout.write(part.text);
  if (part.type === "tool-call") console.log(`\n${part.toolName}(${JSON.stringify(part.input)})`);
  if (part.type === "tool-result") console.log("->", part.output);
  if (part.type === "finish") console.log(`\n${part.finishReason}, ${part.usage.completionTokens} tokens`);
}
await pair.dispose();
await client.close();
