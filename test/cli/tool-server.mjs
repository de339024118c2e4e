/**
 * An MCP server for tests of `--tool-server`. Arguments: a file that gets a line when the server has ended, and what to do
 * wrong: "silent" ends before it answers.
 */
import { appendFileSync } from "node:fs";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { z } from "zod";

const [log, fault] = process.argv.slice(2);

if (fault === "silent") {
  console.error("no \u001b[2Jclock here");
  process.exit(3);
}

const server = new McpServer({ name: "clock", version: "1.0.0" });
server.registerTool(
  "now",
  // What no grammar can say of an input must not keep the tool away.
  {
    description: "Tells the time.",
    inputSchema: { zone: z.string().describe("a time zone"), since: z.url().optional() },
  },
  ({ zone }) => ({ content: [{ type: "text", text: `${zone} 12:00` }] }),
);
server.registerTool("clock/broken", { description: "Fails." }, () => {
  throw new Error("the spring \u001b[2J is broken");
});
// Nothing is heard of it before the answer is stopped.
server.registerTool("wait", { description: "Waits." }, () => new Promise(() => {}));

process.on("exit", () => appendFileSync(log, "ended\n"));
process.stdin.on("close", () => process.exit());
await server.connect(new StdioServerTransport());
