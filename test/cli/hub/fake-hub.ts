/**
 * A server that answers as huggingface.co does, and a second one that keeps the files, to which it redirects. What goes wrong
 * on the way is for each test to say.
 */

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { RequestRules } from "../../../lib/cli/hub/request.js";

export interface FakeRepository {
  readonly files: Readonly<Record<string, Buffer>>;
  /** Whether a token is needed, and what for. */
  readonly access?: "gated" | "private";
  /** What a branch means. @default `{ main: ... }` */
  readonly revisions?: Readonly<Record<string, string>>;
}

/** What goes wrong with one request; undefined: nothing. */
export interface Fault {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Ends the line after so many bytes of the body. */
  readonly cutAfter?: number;
  /** Sends so many bytes and then nothing, without ending. */
  readonly silentAfter?: number;
  /** Gives the whole file where a range was asked for. */
  readonly ignoreRange?: boolean;
  /** Other bytes than those of the file. */
  readonly body?: Buffer;
  /** Another range than the one that was asked for. */
  readonly contentRange?: string;
}

export interface Seen {
  readonly server: "hub" | "files";
  readonly method: string;
  readonly url: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

export const commit = "0123456789abcdef0123456789abcdef01234567";
export const secret = "hf_secret";

export const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

export class FakeHub implements AsyncDisposable {
  readonly seen: Seen[] = [];
  /** Asked for every request. */
  fault: (seen: Seen) => Fault | undefined = () => undefined;
  /** Files on a page of a list. */
  pageSize = 1000;
  readonly #hub: Server;
  readonly #store: Server;

  private constructor(readonly repositories: Record<string, FakeRepository>) {
    this.#hub = createServer((request, response) => this.#answer("hub", request, response));
    this.#store = createServer((request, response) => this.#answer("files", request, response));
  }

  static async start(repositories: Record<string, FakeRepository>): Promise<FakeHub> {
    const hub = new FakeHub(repositories);
    for (const server of [hub.#hub, hub.#store]) await once(server.listen(0, "127.0.0.1"), "listening");
    return hub;
  }

  get endpoint(): URL {
    return addressOf(this.#hub);
  }

  /** Of the server that keeps the files: `files/ORG/NAME/PATH`. */
  get store(): URL {
    return addressOf(this.#store);
  }

  /** The rules for this server, which wait for nothing. */
  rules(more: Partial<RequestRules> = {}): RequestRules {
    const pause = () => Promise.resolve();
    return { endpoint: this.endpoint, token: undefined, signal: new AbortController().signal, pause, ...more };
  }

  /** Ranges of a file that were asked for. */
  get ranges(): readonly string[] {
    return this.seen.flatMap(({ server, range }) => (server === "files" && range !== undefined ? [range] : []));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of [this.#hub, this.#store]) {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
  }

  #answer(server: Seen["server"], request: IncomingMessage, response: ServerResponse): void {
    const { method = "GET", url = "/", headers } = request;
    const seen = { server, method, url, range: headers.range, authorization: headers.authorization };
    this.seen.push(seen);
    const fault = this.fault(seen) ?? {};
    if (fault.status !== undefined) return void response.writeHead(fault.status, { ...fault.headers }).end("no");
    const path = decodeURIComponent(new URL(url, "http://x").pathname);
    if (server === "files") return void this.#giveFile(path, seen, fault, response);
    const [, list, revision] = /^\/api\/models\/([^/]+\/[^/]+)\/tree\/(.+)$/.exec(path) ?? [];
    if (list !== undefined) return void this.#giveList(list, String(revision), url, seen, fault, response);
    const [, name, at, file] = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(path) ?? [];
    this.#redirect(String(name), String(at), String(file), seen, response);
  }

  /** Whether it was answered that there is nothing for the one who asks. */
  #isRefused(name: string, { authorization }: Seen, response: ServerResponse): boolean {
    const repository = this.repositories[name];
    const isAllowed = authorization === `Bearer ${secret}`;
    const code =
      repository === undefined || (repository.access === "private" && !isAllowed) ? "RepoNotFound" : undefined;
    if (code !== undefined) response.writeHead(isAllowed ? 404 : 401, { "x-error-code": code }).end();
    else if (repository?.access === "gated" && !isAllowed)
      response.writeHead(authorization === undefined ? 401 : 403, { "x-error-code": "GatedRepo" }).end();
    else return false;
    return true;
  }

  #commitOf(name: string, revision: string): string | undefined {
    const revisions = this.repositories[name]?.revisions ?? { main: commit };
    return Object.values(revisions).includes(revision) ? revision : revisions[revision];
  }

  #giveList(name: string, revision: string, url: string, seen: Seen, fault: Fault, response: ServerResponse): void {
    // Gated repositories show what they have.
    if (this.repositories[name]?.access !== "gated" && this.#isRefused(name, seen, response)) return;
    if (this.#commitOf(name, revision) === undefined)
      return void response.writeHead(404, { "x-error-code": "RevisionNotFound" }).end();
    const from = Number(new URL(url, "http://x").searchParams.get("cursor") ?? 0);
    const all = Object.entries(this.repositories[name]?.files ?? {}).map(([path, bytes]) => {
      const lfs = { oid: sha256(bytes), size: bytes.length, pointerSize: 134 };
      return { type: "file", path, size: bytes.length, oid: "f".repeat(40), lfs };
    });
    const next = from + this.pageSize;
    const link = new URL(url, this.endpoint);
    link.searchParams.set("cursor", String(next));
    const body = fault.body ?? JSON.stringify([{ type: "directory", path: "q" }, ...all.slice(from, next)]);
    response.writeHead(200, {
      "content-type": "application/json",
      ...(next < all.length && { link: `<${link.href}>; rel="next"` }),
    });
    response.end(body);
  }

  #redirect(name: string, revision: string, file: string, seen: Seen, response: ServerResponse): void {
    if (this.#isRefused(name, seen, response)) return;
    const bytes = this.repositories[name]?.files[file];
    const commitOf = this.#commitOf(name, revision);
    if (commitOf === undefined) return void response.writeHead(404, { "x-error-code": "RevisionNotFound" }).end();
    if (bytes === undefined) return void response.writeHead(404, { "x-error-code": "EntryNotFound" }).end();
    response.writeHead(302, {
      location: new URL(`files/${name}/${file}?signature=1`, this.store).href,
      "x-repo-commit": commitOf,
      "x-linked-etag": `"${sha256(bytes)}"`,
      "x-linked-size": bytes.length,
    });
    response.end();
  }

  #giveFile(path: string, { range }: Seen, fault: Fault, response: ServerResponse): void {
    const [, name, file] = /^\/files\/([^/]+\/[^/]+)\/(.+)$/.exec(path) ?? [];
    const bytes = fault.body ?? this.repositories[String(name)]?.files[String(file)];
    if (bytes === undefined) return void response.writeHead(404).end();
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
    const isRange = first !== undefined && !fault.ignoreRange;
    const [from, to] = isRange ? [Number(first), Math.min(Number(last), bytes.length - 1)] : [0, bytes.length - 1];
    const body = bytes.subarray(from, to + 1);
    response.writeHead(isRange ? 206 : 200, {
      "content-length": body.length,
      etag: `"${sha256(bytes)}"`,
      ...(isRange && { "content-range": fault.contentRange ?? `bytes ${from}-${to}/${bytes.length}` }),
      ...fault.headers,
    });
    if (fault.silentAfter !== undefined) return void response.write(body.subarray(0, fault.silentAfter));
    if (fault.cutAfter === undefined) return void response.end(body);
    response.write(body.subarray(0, fault.cutAfter), () => response.destroy());
  }
}

function addressOf(server: Server): URL {
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
}
