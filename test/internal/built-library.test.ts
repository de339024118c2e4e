/** The JavaScript that is published: one file for the library, with the same names as its sources. */

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import test from "ava";
import * as aiSdkSources from "../../lib/ai-sdk/index.js";
import * as sources from "../../lib/index.js";
import * as serverSources from "../../lib/server/index.js";

const built = (file: string) => new URL(`../../dist/${file}`, import.meta.url).href;
const load = async (file: string) => (await import(built(file))) as Readonly<Record<string, unknown>>;

test("the built package exports what its sources do, under the same names", async (t) => {
  const library = await load("index.js");
  t.deepEqual(Object.keys(library).sort(), Object.keys(sources).sort());
  const callable = Object.entries(library).filter(([, value]) => typeof value === "function");
  t.true(callable.length > 20);
  for (const [name, value] of callable) t.is((value as { readonly name: string }).name, name);
});

test("the command line's library is the one that a program imports", async (t) => {
  const own = await load("internal/library.js");
  for (const [name, value] of Object.entries(await load("index.js"))) t.is(own[name], value, name);
});

test("a subpath exports what its sources do, and its errors are the library's", async (t) => {
  const subpath = await load("ai-sdk/index.js");
  t.deepEqual(Object.keys(subpath).sort(), Object.keys(aiSdkSources).sort());
  const server = await load("server/index.js");
  t.deepEqual(Object.keys(server).sort(), Object.keys(serverSources).sort());
  t.throws(() => (server as unknown as typeof serverSources).createHandler({ models: {} }), {
    instanceOf: (await load("index.js")).OverfillError as typeof sources.OverfillError,
  });
  const { createOverfill } = subpath as unknown as typeof aiSdkSources;
  const error = t.throws(() => createOverfill({ models: {}, maxSessions: 0 }));
  t.true(error instanceof ((await load("index.js")).OverfillError as typeof sources.OverfillError));
});

/** The built files that an import loads. */
async function filesOf(file: string): Promise<string[]> {
  const hook = `export async function load(url, context, next) {
    if (url.includes("/dist/")) console.log(url);
    return next(url, context);
  }`;
  const program = `import { register } from "node:module";
    register("data:text/javascript," + encodeURIComponent(${JSON.stringify(hook)}));
    await import(${JSON.stringify(built(file))});`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program]);
  return stdout.trim().split("\n");
}

test("importing the package loads two files, and none of the command line's or of a subpath", async (t) => {
  const files = await filesOf("index.js");
  t.is(files.length, 2, files.join("\n"));
  t.is(files[0], built("index.js"));
  t.regex(files[1] ?? "", /\/dist\/internal\//);
});

test("importing overfill/host loads nothing else of the package than the library and what its host shares", async (t) => {
  const files = await filesOf("host/index.js");
  t.is(files.length, 4, files.join("\n"));
  t.is(files.filter((file) => file.includes("/dist/host/")).length, 2);
});

test("importing a subpath loads its file and the library's two", async (t) => {
  const [, library = ""] = await filesOf("index.js");
  for (const subpath of ["ai-sdk", "server"]) {
    const files = await filesOf(`${subpath}/index.js`);
    t.is(files.length, 3, files.join("\n"));
    t.is(files[0], built(`${subpath}/index.js`));
    t.true(files.includes(library));
  }
});
