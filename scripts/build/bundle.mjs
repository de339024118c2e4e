/**
 * Bundles what has packages of others in it, so that an install brings none of them: the command line, whose own code
 * tsc does not write, and in place the files of dist/ that stand for a package. Everything else of dist/ is tsc's output as
 * it is, and a bundle imports it from there.
 *
 * The licences of what was bundled come together in dist/third-party-licences.txt.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { build } from "esbuild";
import { fail, readManifest, root } from "./package-root.mjs";

const lib = join(root, "lib");
const dist = join(root, "dist");

/** @type {readonly { readonly entry: string, readonly room?: string }[]} `room`: the folder that goes into the bundle whole */
const bundles = [
  { entry: "cli/main.ts", room: "cli" },
  // The one file that names the schema library.
  { entry: "internal/schema.ts" },
];

/** The command line's packages are CommonJS and ask for Node's own modules by `require`, which an ES module lacks. */
const requireForCommonJs =
  'import { createRequire as overfillRequire } from "node:module"; const require = overfillRequire(import.meta.url);';

/** Leaves imports of other rooms as they are, relative to the bundle, which lies where the entry would. */
function outsideRoom(entry, room) {
  const folder = dirname(join(lib, entry));
  const inside = room === undefined ? undefined : join(lib, room) + sep;
  return {
    name: "outside-room",
    setup({ onResolve }) {
      onResolve({ filter: /^\.\.?\// }, ({ path, importer, kind, resolveDir }) => {
        const target = resolve(resolveDir, path);
        const own = importer.startsWith(lib + sep);
        if (kind === "entry-point" || !own || (inside !== undefined && target.startsWith(inside))) return undefined;
        const specifier = relative(folder, target).split(sep).join("/");
        return { path: specifier.startsWith(".") ? specifier : `./${specifier}`, external: true };
      });
    },
  };
}

async function bundle({ entry, room }) {
  const outdir = dirname(join(dist, entry));
  if (room !== undefined) rmSync(join(dist, room), { recursive: true, force: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [join(lib, entry)],
    outdir,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20.17",
    // Names in a stack trace are worth the bytes.
    minifySyntax: true,
    legalComments: "none",
    metafile: true,
    logLevel: "warning",
    plugins: [outsideRoom(entry, room)],
    ...(room !== undefined && { banner: { js: requireForCommonJs } }),
  });
  return Object.keys(metafile.inputs);
}

/** The folder of the package that `file` belongs to, or undefined for a file of this package. */
function packageOf(file) {
  const [, modules, name] = /^(.*node_modules\/)((?:@[^/]+\/)?[^/]+)\//.exec(file) ?? [];
  return name === undefined ? undefined : join(root, modules, name);
}

function licenceOf(folder) {
  const { name, version, license } = readManifest(folder);
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  if (file === undefined && license !== "MIT" && license !== "ISC")
    fail(`${name} ${version} is bundled, and its licence (${license}) is nowhere in ${folder}`);
  const text = file === undefined ? `${license} licence` : readFileSync(join(folder, file), "utf8").trim();
  return `${name} ${version} (${license})\n\n${text}\n`;
}

const inputs = [];
for (const one of bundles) if (existsSync(join(lib, one.entry))) inputs.push(...(await bundle(one)));
const packages = [...new Set(inputs.map(packageOf))].filter((folder) => folder !== undefined).sort();
const rule = `\n${"-".repeat(80)}\n\n`;
writeFileSync(
  join(dist, "third-party-licences.txt"),
  `Parts of these packages are in the files of this folder.\n${rule}${packages.map(licenceOf).join(rule)}`,
);
