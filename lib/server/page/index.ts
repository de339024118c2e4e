/**
 * The chat page as files to serve: what `scripts/build/page.mjs` made of this folder, with the headers that each goes out with.
 * Nothing is read before it is asked for.
 *
 * The page is for everybody, and what it asks the API for is not: a server with keys serves it without one, and the page asks
 * its user for the key. All of its addresses are relative, so it works below any path.
 */

import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { ownFolder } from "../../internal/package-files.js";

export interface PageFile {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
}

/** By their path below the page's own: `""` is the page, the others are `page/...`. */
export type PageFiles = ReadonlyMap<string, PageFile>;

/**
 * Nothing but this server's own files, which are no part of an answer; nothing that stands in the page itself is run or gives it a
 * look; no other site is asked for anything, gets a form or shows the page in a frame; and no text becomes HTML except through
 * the sanitiser's policy.
 */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types dompurify",
].join("; ");

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

const commonHeaders = {
  "content-security-policy": contentSecurityPolicy,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
} as const;

/** Names that esbuild made of the content: another content has another name. */
const hashedName = /-[0-9A-Z]{8}\.(?:js|css)$/;

/** What the build makes the page's files in. */
const builtFolder = (): string => join(ownFolder(), "dist", "server", "page");

async function readPageFile(folder: string, name: string): Promise<PageFile> {
  const body = new Uint8Array(await readFile(join(folder, name)));
  const digest = createHash("sha256").update(body).digest("base64url").slice(0, 22);
  return {
    body,
    headers: {
      ...commonHeaders,
      "content-type": contentTypes[extname(name)] ?? "application/octet-stream",
      "cache-control": hashedName.test(name) ? "public, max-age=31536000, immutable" : "no-cache",
      etag: `"${digest}"`,
    },
  };
}

/** @param folder where the page was built; by default the package's own */
export async function readPageFiles(folder = builtFolder()): Promise<PageFiles> {
  const names = (await readdir(folder)).filter((name) => extname(name) in contentTypes);
  const entries = names.map(
    async (name) => [name === "index.html" ? "" : `page/${name}`, await readPageFile(folder, name)] as const,
  );
  return new Map(await Promise.all(entries));
}

/**
 * The response to a request for a file of the page, or undefined if there is no such file.
 *
 * @param path of the request, below where the page is: `/`, `/page/main-ABCDEFGH.js`
 */
export function pageResponse(files: PageFiles, path: string, request: Request): Response | undefined {
  const file = files.get(path.replace(/^\//, ""));
  if (file === undefined) return undefined;
  if (request.method !== "GET" && request.method !== "HEAD")
    return new Response(null, { status: 405, headers: { ...commonHeaders, allow: "GET, HEAD" } });
  const held = (request.headers.get("if-none-match") ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  const { "content-type": contentType, ...rest } = file.headers;
  if (held.includes(file.headers.etag ?? "")) return new Response(null, { status: 304, headers: rest });
  const headers = { ...file.headers, "content-length": String(file.body.byteLength) };
  return new Response(request.method === "HEAD" ? null : file.body, { headers });
}
