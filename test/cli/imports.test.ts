/** What loads when: the command line must answer `--help` at once, and its packages must not load with the library. */

import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";

const lib = fileURLToPath(new URL("../../lib/", import.meta.url));
const commandPackages = [
  "commander",
  "@commander-js/extra-typings",
  "cli-progress",
  "cli-table3",
  "string-width",
  "echarts",
];

/** What a file imports at once and at run time: no types, no `import()`. */
function staticImports(file: string): string[] {
  const imports = readFileSync(file, "utf8").matchAll(/^(?:import|export)\s(?!type\s)[^;]*?from "([^"]+)";/gm);
  return [...imports].map(([, specifier = ""]) => specifier);
}

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name));
}

test("no file outside lib/cli imports the command line or its packages", (t) => {
  const outside = sourceFiles(lib).filter((file) => !relative(lib, file).startsWith(`cli${sep}`));
  t.true(outside.length > 10);
  for (const file of outside)
    for (const specifier of staticImports(file))
      t.false(commandPackages.includes(specifier) || specifier.includes("/cli/"), `${file} imports ${specifier}`);
});

test("before a command is known only commander loads", (t) => {
  const seen = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string) => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const specifier of staticImports(file)) {
      if (specifier.startsWith(".")) visit(join(dirname(file), specifier.replace(/\.js$/, ".ts")));
      else if (!specifier.startsWith("node:")) packages.add(specifier);
    }
  };
  visit(join(lib, "cli", "main.ts"));
  t.deepEqual([...packages], ["@commander-js/extra-typings"]);
  t.deepEqual(
    [...seen].filter((file) => !relative(lib, file).startsWith(`cli${sep}`)),
    [],
  );
});

test("no files of the command line import each other in a circle", (t) => {
  const importsOf = new Map<string, readonly string[]>();
  for (const file of sourceFiles(join(lib, "cli"))) {
    // Types and what loads later count, too: a circle is one for whoever reads it.
    const specifiers = readFileSync(file, "utf8").matchAll(/(?:from |import\()"(\.[^"]+)"/g);
    importsOf.set(
      file,
      [...specifiers].map(([, specifier = ""]) => join(dirname(file), specifier.replace(/\.js$/, ".ts"))),
    );
  }
  const done = new Set<string>();
  const circleFrom = (file: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const imported of importsOf.get(file) ?? []) {
      const circle = circleFrom(imported, [...path, file]);
      if (circle) return circle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of importsOf.keys())
    t.is(
      circleFrom(file, [])
        ?.map((name) => relative(lib, name))
        .join(" -> "),
      undefined,
    );
});

test("echarts loads with a plot only", (t) => {
  const drawing = sourceFiles(join(lib, "cli")).filter((file) => /plot|chart/.test(file));
  t.true(drawing.length > 4);
  for (const file of sourceFiles(join(lib, "cli")).filter((file) => !drawing.includes(file)))
    for (const specifier of staticImports(file)) t.notRegex(specifier, /^echarts|plot|chart/, file);
});

test("the SDK of tool servers loads with a server only, and is no part of the package", (t) => {
  const sdk = "@modelcontextprotocol/sdk";
  for (const file of sourceFiles(lib))
    for (const specifier of staticImports(file)) t.false(specifier.startsWith(sdk), file);
  const { peerDependencies, peerDependenciesMeta } = createRequire(import.meta.url)("../../package.json");
  t.deepEqual(Object.keys(peerDependencies), [sdk]);
  t.true(peerDependenciesMeta[sdk].optional);
});
