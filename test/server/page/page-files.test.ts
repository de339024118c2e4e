/** The page's files as the server sends them: complete, offline, and under a strict policy. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { contentSecurityPolicy, type PageFiles, pageResponse, readPageFiles } from "../../../lib/server/page/index.js";
import { buildPage } from "../../../scripts/build/page.mjs";
import { makeTempDir } from "../../support/temp-dir.js";

const folder = makeTempDir();
let files: PageFiles;
let bundled: readonly string[];

test.before(async () => {
  bundled = await buildPage(folder.path);
  files = await readPageFiles(folder.path);
});
test.after.always(() => folder.remove());

const get = (path: string, headers: Readonly<Record<string, string>> = {}, method = "GET") =>
  pageResponse(files, path, new Request(`http://127.0.0.1${path}`, { method, headers }));

const textOf = (path: string) => Buffer.from(files.get(path)?.body ?? []).toString();
const pathOf = (pattern: RegExp) => [...files.keys()].find((path) => pattern.test(path)) ?? "";

test("the page, its script, its style and its icon are served, each as what it is", async (t) => {
  const types = [...files].map(([path, file]) => [path.replace(/-\w{8}\./, "."), file.headers["content-type"]]);
  t.deepEqual(Object.fromEntries(types), {
    "": "text/html; charset=utf-8",
    "page/icon.svg": "image/svg+xml",
    "page/main.js": "text/javascript; charset=utf-8",
    "page/style.css": "text/css; charset=utf-8",
  });
  const page = get("/");
  t.is(page?.status, 200);
  const html = (await page?.text()) ?? "";
  for (const [, path = ""] of html.matchAll(/(?:href|src)="([^#"]*)"/g)) t.is(get(`/${path}`)?.status, 200, path);
  t.is(get("/page/"), undefined);
  t.is(get("/page/../index.html"), get("/index.html"));
});

test("every file comes with the policy; names that change with the content are kept, the others asked for anew", (t) => {
  for (const [path, { headers }] of files) {
    t.is(headers["content-security-policy"], contentSecurityPolicy);
    t.is(headers["x-content-type-options"], "nosniff");
    const isHashed = /\.(?:js|css)$/.test(path);
    t.is(headers["cache-control"], isHashed ? "public, max-age=31536000, immutable" : "no-cache", path);
  }
});

test("the policy allows nothing but the server's own files", (t) => {
  const rules = new Map(contentSecurityPolicy.split("; ").map((rule) => rule.split(/ (.*)/s) as [string, string]));
  t.is(rules.get("default-src"), "'none'");
  for (const name of ["script-src", "style-src", "connect-src", "img-src"]) t.is(rules.get(name), "'self'", name);
  for (const name of ["base-uri", "form-action", "frame-ancestors"]) t.is(rules.get(name), "'none'", name);
  t.false(/unsafe|data:|blob:|\*/.test(contentSecurityPolicy));
});

test("a browser that has a file is told that it still holds", async (t) => {
  const etag = get("/")?.headers.get("etag") ?? "";
  t.regex(etag, /^"[\w-]{22}"$/);
  for (const held of [etag, `"other", W/${etag}`]) t.is(get("/", { "if-none-match": held })?.status, 304);
  t.is(get("/", { "if-none-match": '"other"' })?.status, 200);
  const head = get("/", {}, "HEAD");
  t.is(await head?.text(), "");
  t.is(head?.headers.get("content-length"), String(files.get("")?.body.byteLength));
  const posted = get("/", {}, "POST");
  t.deepEqual([posted?.status, posted?.headers.get("allow")], [405, "GET, HEAD"]);
});

test("nothing in the page itself needs an exception from the policy, or another site", (t) => {
  const html = textOf("");
  t.notRegex(html, /<style|\sstyle=|\son\w+=|javascript:/i);
  for (const [whole, body = ""] of html.matchAll(/<script[^>]*>([\s\S]*?)<\/script>/g)) t.is(body, "", whole);
  t.notRegex(html, /https?:\/\//);
  t.notRegex(textOf(pathOf(/style/)), /url\(|@import/);
  t.notRegex(textOf(pathOf(/main/)), /\beval\(|new Function|import\(/);
});

test("the script needs nothing but the page and the two packages that make Markdown safe HTML", (t) => {
  const packages = new Set(bundled.flatMap((path) => /node_modules\/([^/]+)/.exec(path)?.[1] ?? []));
  t.deepEqual([...packages].sort(), ["dompurify", "marked"]);
  const bytes = [...files.values()].reduce((sum, { body }) => sum + body.byteLength, 0);
  t.true(bytes < 160_000, `${bytes} bytes`);
});

test("every id that the script looks for is in the page once", (t) => {
  const ids = [...textOf("").matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
  t.is(new Set(ids).size, ids.length);
  const root = fileURLToPath(new URL("../../../", import.meta.url));
  const sources = bundled
    .filter((path) => path.startsWith("lib/"))
    .map((path) => readFileSync(join(root, path), "utf8"));
  for (const [, id] of sources.join("\n").matchAll(/byId\("([^"]+)"/g)) t.true(ids.includes(id), id);
});
