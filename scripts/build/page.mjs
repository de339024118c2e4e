/**
 * Builds the server's page out of lib/server/page: its script with what it uses of other packages in one file, its style sheet,
 * both named by their content, and the page that names them.
 *
 *   node scripts/build/page.mjs [folder]     by default dist/server/page
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { build } from "esbuild";
import { fail, isProgram, root } from "./package-root.mjs";

const source = join(root, "lib", "server", "page");

/** The browsers of three years: older ones lack what the page's style is written in. */
const browsers = ["chrome111", "firefox121", "safari16.4"];

/**
 * @param folder where the files go
 * @returns the files that were bundled
 */
export async function buildPage(folder = join(root, "dist", "server", "page")) {
  mkdirSync(folder, { recursive: true });
  // What an earlier build left, under names of its own. The declarations, which are here too, are tsc's.
  for (const name of readdirSync(folder)) if (/\.(?:js|css|html|svg)$/.test(name)) rmSync(join(folder, name));
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { main: join(source, "browser", "main.ts"), style: join(source, "style.css") },
    outdir: folder,
    entryNames: "[name]-[hash]",
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: browsers,
    tsconfigRaw: {},
    legalComments: "none",
    metafile: true,
    logLevel: "warning",
  });
  let page = readFileSync(join(source, "index.html"), "utf8");
  for (const path of Object.keys(metafile.outputs)) {
    const built = basename(path);
    const name = built.replace(/-[0-9A-Z]{8}(?=\.)/, "");
    if (!page.includes(`"page/${name}"`)) fail(`index.html of the server's page does not name ${name}`);
    page = page.replace(`"page/${name}"`, `"page/${built}"`);
  }
  writeFileSync(join(folder, "index.html"), page);
  copyFileSync(join(source, "icon.svg"), join(folder, "icon.svg"));
  return Object.keys(metafile.inputs);
}

if (isProgram(import.meta.url)) await buildPage(process.argv[2] && resolve(process.argv[2]));
