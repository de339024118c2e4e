/**
 * Tools of MCP servers (modelcontextprotocol.io) that run as processes of this command. The protocol is spoken by
 * `@modelcontextprotocol/sdk`, which is not part of the package: it loads when a server is named.
 */

import { createRequire } from "node:module";
import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import type { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import type { Tool, Tools } from "../chat/index.js";
import { UsageError } from "./exit.js";
import { splitWords } from "./shell-words.js";

/** A server could not be started, or does not answer as one. */
export class ToolServerFault extends Error {
  override readonly name = "ToolServerFault";
  readonly code = "ERR_TOOL_SERVER_FAILED";
}

/** The largest timeout that a timer takes: how long a tool may work is for whoever waits to say. */
const noTimeoutMs = 2 ** 31 - 1;
/** What is kept of what a server says on stderr, to be shown if it fails. */
const keptCharacters = 2000;

/** Servers that run, and their tools. Dispose them to end the processes. */
export class ToolServers implements AsyncDisposable {
  readonly #clients: Client[] = [];
  readonly #tools = new Map<string, Tool>();

  private constructor() {}

  /** Starts a server for each command. Rejects with a {@link ToolServerFault}, or a UsageError without the package. */
  static async open(commands: readonly string[], signal: AbortSignal): Promise<ToolServers> {
    const servers = new ToolServers();
    try {
      for (const command of commands) await servers.#start(command, signal);
      return servers;
    } catch (error) {
      await servers[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** By names that a chat takes; a name that two servers have gets a number. */
  get tools(): Tools {
    return Object.fromEntries(this.#tools);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
  }

  async #start(command: string, signal: AbortSignal): Promise<void> {
    const [file, ...args] = splitWords(command);
    if (file === undefined) throw new UsageError("--tool-server: expected a command");
    const { Client, StdioClientTransport } = await loadSdk();
    // As a shell would start it: with this environment, of which the SDK would pass on little.
    const env = Object.fromEntries(
      Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    const transport = new StdioClientTransport({ command: file, args, env, stderr: "pipe" });
    const said = keepEnd(transport);
    const { version } = createRequire(import.meta.url)("../../package.json") as { version: string };
    const client = new Client({ name: "overfill", version });
    this.#clients.push(client);
    try {
      await client.connect(transport, { signal });
      let cursor: string | undefined;
      do {
        const page = await client.listTools({ cursor }, { signal });
        for (const tool of page.tools) this.#add(client, tool);
        cursor = page.nextCursor;
      } while (cursor !== undefined);
    } catch (cause) {
      signal.throwIfAborted();
      const why = cause instanceof Error ? cause.message : String(cause);
      const words = said().trim();
      throw new ToolServerFault(`the tool server ${command}: ${why}${words && `\n${words}`}`, { cause });
    }
  }

  #add(client: Client, { name, description, inputSchema }: Awaited<ReturnType<Client["listTools"]>>["tools"][number]) {
    this.#tools.set(freeName(name, this.#tools), {
      description,
      inputSchema,
      async execute(input, { signal }) {
        const result = await client.callTool({ name, arguments: input as Record<string, unknown> }, undefined, {
          signal,
          timeout: noTimeoutMs,
        });
        const text = textOf(result);
        if (result.isError) throw new Error(text);
        return text;
      },
    });
  }
}

async function loadSdk() {
  try {
    const [{ Client }, { StdioClientTransport }] = await Promise.all([
      import("@modelcontextprotocol/sdk/client/index.js"),
      import("@modelcontextprotocol/sdk/client/stdio.js"),
    ]);
    return { Client, StdioClientTransport };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "ERR_MODULE_NOT_FOUND" || !message.includes("@modelcontextprotocol/sdk")) throw error;
    throw new UsageError(
      "--tool-server needs a package that is not installed: npm install @modelcontextprotocol/sdk@1 (beside overfill)",
    );
  }
}

/** Reads what the server says on stderr, so that it never waits for a reader. Gives the end of it. */
function keepEnd(transport: StdioClientTransport): () => string {
  let end = "";
  transport.stderr?.on("data", (chunk: Buffer) => {
    end = `${end}${chunk}`.slice(-keptCharacters);
  });
  return () => end;
}

function freeName(name: string, taken: ReadonlyMap<string, unknown>): string {
  const wanted = name.replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 60);
  for (let count = 1; ; count++) {
    const free = count === 1 ? wanted : `${wanted}_${count}`;
    if (!taken.has(free)) return free;
  }
}

/** The texts of a result, and what else it has by its kind. */
function textOf(result: Awaited<ReturnType<Client["callTool"]>>): string {
  const content = Array.isArray(result.content) ? (result.content as readonly Readonly<Record<string, unknown>>[]) : [];
  const texts = content.map((part) => {
    const { text } = (part.type === "resource" ? part.resource : part) as { readonly text?: unknown };
    return typeof text === "string" ? text : `(${String(part.type)})`;
  });
  if (texts.length > 0) return texts.join("\n");
  return JSON.stringify(result.structuredContent ?? null);
}
