// An MCP server with one tool. It talks through its standard input and output, so it must print nothing else there.
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { z } from "zod";

const server = new McpServer({ name: "weather", version: "1.0.0" });
server.registerTool(
  "weather",
  { description: "The weather of a city.", inputSchema: { city: z.string().max(40).describe("the city's name") } },
  ({ city }) => ({ content: [{ type: "text", text: `${city}: clear, 21 degrees` }] }),
);
await server.connect(new StdioServerTransport());
