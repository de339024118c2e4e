/**
 * Writes the JavaScript of dist/, of which tsc writes the declarations only: the library in one file, since a hundred
 * small ones take longer to load than what is in them, and the command line and the subpaths of the package, which import
 * the library from there.
 * Packages of others are bundled with them, so that an install brings none.
 *
 * The licences of what was bundled come together in dist/third-party-licences.txt.
 */
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { build } from "esbuild";
import { fail, readManifest, root } from "./package-root.mjs";
import { buildPage } from "./page.mjs";

const lib = join(root, "lib");
const dist = join(root, "dist");

/** What the library's code is in. As deep as its sources, which look for the package's other files from where they are. */
const libraryFolder = "internal";
/** The library's public names, and what only the other rooms take of it. */
const library = `${libraryFolder}/library`;

/** @type {import("esbuild").BuildOptions} */
const common = {
  absWorkingDir: root,
  outdir: dist,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.17",
  // Names and lines in a stack trace are worth the bytes.
  minifySyntax: true,
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
};

/** The command line's packages are CommonJS and ask for Node's own modules by `require`, which an ES module lacks. */
const requireForCommonJs =
  'import { createRequire as overfillRequire } from "node:module"; const require = overfillRequire(import.meta.url);';

/** Zod's messages in forty languages are a quarter of the server's code, and only its English ones are said. */
const englishOnly = {
  name: "english-only",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]/ }, ({ path }) =>
      /[\\/](en|index)\.js$/.test(path)
        ? undefined
        : { contents: "export default () => ({ localeError: () => undefined });" },
    );
  },
};

/**
 * A room that is not part of the library: the command line, or a subpath of the package.
 *
 * @returns the bundle's inputs, and the modules of other rooms whose exports it imports from the library
 */
async function bundleRoom(name, entries, banner) {
  const room = join(lib, name);
  const imported = new Set();
  const otherRooms = {
    name: "other-rooms",
    setup({ onResolve }) {
      onResolve({ filter: /^\.\.?\// }, ({ path, importer, kind, resolveDir }) => {
        const target = resolve(resolveDir, path);
        if (kind === "entry-point" || !importer.startsWith(lib + sep) || target.startsWith(room + sep))
          return undefined;
        // The server is no part of the library: the command line shares the subpath's file.
        if (target.startsWith(join(lib, "server") + sep)) return { path: "../server/index.js", external: true };
        // Nor is the host, whose program is found from where its own code is.
        if (name !== "host" && target.startsWith(join(lib, "host") + sep))
          return { path: "../host/index.js", external: true };
        // What `overfill rpc-server` shares with the way to it is in its own file, as in the relay's.
        if (name === "cli" && target.startsWith(join(lib, "remote") + sep)) return undefined;
        // So are the frames of `/v1/prefill`, which the library loads only where a pair has its prompts read elsewhere.
        if (name === "server" && target.startsWith(join(lib, "reader") + sep)) return undefined;
        imported.add(target.replace(/\.js$/, ".ts"));
        return { path: `../${library}.js`, external: true };
      });
    },
  };
  const { metafile } = await build({
    ...common,
    entryPoints: Object.fromEntries(entries.map((entry) => [`${name}/${entry}`, join(room, `${entry}.ts`)])),
    chunkNames: `${name}/[name]-[hash]`,
    // Loaded where a tool server is named, and not part of the package.
    external: ["@modelcontextprotocol/sdk"],
    // Mostly packages of others, whose lines say nothing to our users. Names stay.
    minifyWhitespace: true,
    plugins: [otherRooms, englishOnly],
    ...(banner && { banner: { js: banner } }),
  });
  return { inputs: Object.keys(metafile.inputs), imported: [...imported] };
}

/**
 * The library: dist/index.js with the public names, and a second entry with the exports of `modules` too. Both import the
 * file that all of the code is in, so that the other rooms and a program that imports it share one library.
 */
async function bundleLibrary(modules) {
  const specifiers = [join(lib, "index.ts"), ...modules].map(
    (file) => `./${relative(root, file).split(sep).join("/")}`,
  );
  const every = {
    name: "every-export",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^every-export$/ }, ({ path }) => ({ path, namespace: "every-export" }));
      onLoad({ filter: /./, namespace: "every-export" }, () => ({
        contents: specifiers.map((specifier) => `export * from ${JSON.stringify(specifier)};`).join("\n"),
        resolveDir: root,
      }));
    },
  };
  const ownFile = {
    name: "own-file",
    setup({ onResolve }) {
      onResolve({ filter: /^\.\.\/(remote\/connect|reader\/pair-elsewhere)\.js$/ }, ({ path }) => ({
        path,
        external: true,
      }));
    },
  };
  const { metafile } = await build({
    ...common,
    entryPoints: { index: join(lib, "index.ts"), [library]: "every-export" },
    chunkNames: `${libraryFolder}/[name]-[hash]`,
    plugins: [every, ownFile],
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

// What an earlier build left.
for (const file of readdirSync(dist, { recursive: true })) if (file.endsWith(".js")) rmSync(join(dist, file));
const rooms = [
  // The second is the program of the process that `overfill rpc-server` starts.
  await bundleRoom("cli", ["main", "rpc-child"], requireForCommonJs),
  await bundleRoom("ai-sdk", ["index"]),
  // The second is the program of the process that the first one starts.
  await bundleRoom("host", ["index", "child"]),
  // What the engine loads where a model lies on other machines, and the program of the thread that it starts.
  await bundleRoom("remote", ["connect", "relay-worker"]),
  // What it loads where a server reads in the prefill model's place.
  await bundleRoom("reader", ["pair-elsewhere"]),
  await bundleRoom("server", ["index"], requireForCommonJs),
];
copyFileSync(join(lib, "server", "config.schema.json"), join(dist, "server", "config.schema.json"));
const imported = [...new Set(rooms.flatMap((room) => room.imported))].sort();
const inputs = [...rooms.flatMap((room) => room.inputs), ...(await bundleLibrary(imported)), ...(await buildPage())];
const packages = [...new Set(inputs.map(packageOf))].filter((folder) => folder !== undefined).sort();
const rule = `\n${"-".repeat(80)}\n\n`;
writeFileSync(
  join(dist, "third-party-licences.txt"),
  `Parts of these packages are in the files of this folder.\n${rule}${packages.map(licenceOf).join(rule)}`,
);
