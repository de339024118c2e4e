/** Code of the package in an app's bundle: it finds the package by other means, or says how to mend the layout. */
import { execFile } from "node:child_process";
import { mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";
import { build, type Format } from "esbuild";
import { ownVersion } from "../../lib/internal/versions.js";
import { withTempDir } from "../support/temp-dir.js";
import { placeLink } from "./layouts.js";

const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");

const app = `
  import { demoPair, loadPair } from ${JSON.stringify(join(root, "dist", "index.js"))};
  (async () => {
    try {
      const pair = await loadPair(demoPair);
      console.log(JSON.stringify({ kind: pair.info.plan.kind }));
      await pair.dispose();
    } catch ({ code, message, details }) {
      console.log(JSON.stringify({ code, message, details }));
    }
  })();`;

interface Outcome {
  readonly kind?: string;
  readonly code?: string;
  readonly message?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Runs a bundle in a folder in which `prepare` has placed packages. */
async function runBundle(folder: string, format: Format): Promise<Outcome> {
  const outfile = join(folder, format === "esm" ? "bundle.mjs" : "bundle.cjs");
  const stdin = { contents: app, resolveDir: root };
  await build({ stdin, bundle: true, platform: "node", format, outfile, logLevel: "silent" });
  const { stdout } = await promisify(execFile)(process.execPath, [outfile], { cwd: folder });
  return JSON.parse(stdout) as Outcome;
}

for (const format of ["esm", "cjs"] as const) {
  test(`a bundle (${format}) beside an installed package loads the demo pair`, async (t) => {
    const folder = realpathSync(withTempDir(t));
    placeLink(root, join(folder, "node_modules", "overfill"));
    t.deepEqual(await runBundle(folder, format), { kind: "share" });
  });

  test(`a bundle (${format}) without the package can be imported, and says what to install`, async (t) => {
    const { code, message } = await runBundle(realpathSync(withTempDir(t)), format);
    t.is(code, "ERR_BINDING_MISSING", message);
    for (const words of ["external", `npm install overfill@${ownVersion}`]) t.true(message?.includes(words), message);
  });
}

test("a bundle beside another version of the package names both", async (t) => {
  const folder = realpathSync(withTempDir(t));
  const other = join(folder, "node_modules", "overfill");
  mkdirSync(other, { recursive: true });
  writeFileSync(join(other, "package.json"), JSON.stringify({ name: "overfill", version: "0.0.1" }));
  const { code, message, details } = await runBundle(folder, "cjs");
  t.is(code, "ERR_BINDING_MISSING", message);
  t.like(details, { expected: ownVersion, actual: "0.0.1" });
});
