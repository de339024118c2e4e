/** The example for Electron, on a stand-in for Electron's main process: its binary is not to be had everywhere. */

import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import test from "ava";
import { withTempDir } from "../support/temp-dir.js";

const root = join(import.meta.dirname, "..", "..");
const hooks = pathToFileURL(join(import.meta.dirname, "children", "electron-hooks.mjs")).href;

test("a window gets a port, an answer comes through it, and the app ends with its host", async (t) => {
  const folder = withTempDir(t);
  cpSync(join(root, "examples", "electron"), folder, { recursive: true });
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "overfill"), "junction");
  const { stdout } = await promisify(execFile)(process.execPath, [`--import=${hooks}`, "main.mjs"], { cwd: folder });
  const said = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  t.deepEqual(said[0]?.preferences, { preload: join(folder, "preload.cjs"), contextIsolation: true, sandbox: true });
  t.is(said[1]?.file, join(folder, "index.html"));
  t.is(said[2]?.channel, "chat-port");
  t.true(said.some(({ type, text }) => type === "text" && text !== ""));
  t.deepEqual(
    said.slice(-2).map(({ type }) => type),
    ["end", "quit"],
  );
});

test("the packages that hold native code or the host's program lie outside the archive, by either packager", (t) => {
  const pattern = "**/node_modules/{overfill,@overfill,@node-llama-cpp}/**";
  const manifest = JSON.parse(readFileSync(join(root, "examples", "electron", "package.json"), "utf8")) as {
    readonly build: { readonly asarUnpack: readonly string[] };
  };
  t.deepEqual(manifest.build.asarUnpack, [pattern]);
  t.true(readFileSync(join(root, "examples", "electron", "forge.config.cjs"), "utf8").includes(pattern));
  t.true(readFileSync(join(root, "docs", "platforms.md"), "utf8").includes(pattern));
});
