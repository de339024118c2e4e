/** The page on a server that speaks the API's format and says what a test has it say. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type PageFiles, pageResponse } from "../../../lib/server/page/index.js";

export type Body = Readonly<Record<string, unknown>>;

/** What an answer's stream is made of; `signal` aborts when the client has gone. */
export type Script = (body: Body, signal: AbortSignal) => AsyncIterable<unknown>;

export interface FakeServer {
  readonly url: string;
  /** Bodies of the answers that were asked for. */
  readonly bodies: Body[];
  /** Paths and queries of everything that was asked for. */
  readonly paths: string[];
  /** Answers of the next requests. */
  script: Script;
  /** The key that is asked for. */
  key: string | undefined;
  models: readonly string[];
  close(): Promise<void>;
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function readBody(request: IncomingMessage): Promise<Body> {
  let text = "";
  for await (const piece of request) text += piece;
  return JSON.parse(text) as Body;
}

async function sendPage(files: PageFiles, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = new URL(request.url ?? "/", "http://x");
  const page = pageResponse(files, pathname, new Request(`http://x${pathname}`, { method: request.method ?? "GET" }));
  if (page === undefined) return sendJson(response, 404, { error: { message: "no such path" } });
  response.writeHead(page.status, Object.fromEntries(page.headers)).end(Buffer.from(await page.arrayBuffer()));
}

async function sendAnswer(script: Script, body: Body, response: ServerResponse): Promise<void> {
  const abort = new AbortController();
  response.on("close", () => abort.abort());
  response.writeHead(200, { "content-type": "text/event-stream" });
  try {
    for await (const chunk of script(body, abort.signal)) response.write(`data: ${JSON.stringify(chunk)}\n\n`);
    response.end("data: [DONE]\n\n");
  } catch (error) {
    response.end(`data: ${JSON.stringify({ error: { message: (error as Error).message } })}\n\n`);
  }
}

export async function startFakeServer(files: PageFiles): Promise<FakeServer> {
  const server = createServer(async (request, response) => {
    const path = request.url ?? "/";
    fake.paths.push(path);
    if (!path.startsWith("/v1/")) return sendPage(files, request, response);
    if (fake.key !== undefined && request.headers.authorization !== `Bearer ${fake.key}`)
      return sendJson(response, 401, { error: { message: "a key is needed", code: "invalid_api_key" } });
    if (path === "/v1/models")
      return sendJson(response, 200, { data: fake.models.map((id) => ({ id, object: "model" })) });
    const body = await readBody(request);
    fake.bodies.push(body);
    return sendAnswer(fake.script, body, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const fake: FakeServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    bodies: [],
    paths: [],
    script: async function* () {},
    key: undefined,
    models: ["small", "large"],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return fake;
}
