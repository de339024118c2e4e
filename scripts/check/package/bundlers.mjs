/** Apps that bundle the package, or leave it external, with the bundlers in use. */
import { copyFileSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkAnswer, checkRefusal, makeProject, node, npmInstall, program, root, step } from "./work.mjs";

const bundlers = ["webpack@5.113.0", "rollup@4.68.8", "@rollup/plugin-node-resolve@16.0.3", "vite@8.4.0"];

/** Bundles main.js of the working folder as the arguments say, with the tools beside this file. */
const script = `
import { builtinModules } from "node:module";
const [tool, format, external, outfile] = process.argv.slice(2);
const outside = external === "external" ? ["overfill"] : [];
const node = [...builtinModules, ...builtinModules.map((name) => "node:" + name)];
if (tool === "esbuild") {
  const { build } = await import("esbuild");
  await build({ entryPoints: ["main.js"], bundle: true, platform: "node", format, external: outside, outfile, logLevel: "error" });
} else if (tool === "webpack") {
  const { default: webpack } = await import("webpack");
  const esm = format === "esm";
  const config = {
    mode: "production", target: "node", optimization: { minimize: false }, entry: "./main.js", experiments: { outputModule: esm },
    externals: Object.fromEntries(outside.map((name) => [name, (esm ? "module " : "commonjs ") + name])),
    output: { path: process.cwd(), filename: outfile, module: esm, library: esm ? { type: "module" } : undefined },
  };
  const stats = await new Promise((resolve, reject) => webpack(config, (error, done) => (error ? reject(error) : resolve(done))));
  if (stats.hasErrors()) throw new Error(stats.toString("errors-only"));
} else if (tool === "rollup") {
  const { rollup } = await import("rollup");
  const { nodeResolve } = await import("@rollup/plugin-node-resolve");
  const bundle = await rollup({ input: "main.js", external: [...outside, ...node], plugins: [nodeResolve({ exportConditions: ["node"] })] });
  await bundle.write({ file: outfile, format, inlineDynamicImports: true });
} else {
  const { build } = await import("vite");
  await build({
    logLevel: "error", ssr: { noExternal: outside.length === 0 || [] },
    build: { ssr: "main.js", emptyOutDir: false, outDir: ".", rollupOptions: { output: { entryFileNames: outfile, format } } },
  });
}
`;

const cases = ["esbuild", "webpack", "rollup", "vite"].flatMap((tool) =>
  (tool === "vite" ? ["esm"] : ["esm", "cjs"]).flatMap((format) =>
    ["bundled", "external"].map((external) => ({ tool, format, external })),
  ),
);

/** @param project an app that has the package installed */
export async function checkBundlers(project) {
  const folder = makeProject("bundles", { "main.js": program.esm, "bundle.mjs": script });
  await step("installs the bundlers", () => {
    npmInstall(folder, ...bundlers);
    // The clone's own; its package for this platform comes with it.
    const modules = join(folder, "node_modules");
    for (const name of ["esbuild", `@esbuild/${process.platform}-${process.arch}`])
      cpSync(join(root, "node_modules", name), join(modules, name), { recursive: true });
    cpSync(join(project, "node_modules"), modules, { recursive: true });
  });

  for (const { tool, format, external } of cases)
    await step(`${tool} to ${format === "esm" ? "an ES module" : "CommonJS"}, ${external}`, () => {
      const file = `${tool}-${external}.${format === "esm" ? "mjs" : "cjs"}`;
      node(["bundle.mjs", tool, format, external, file], { cwd: folder });
      checkAnswer(node([file], { cwd: folder }));
    });

  await step(
    "a bundle that was moved away from the package says how to mend it, and works with the package beside it",
    () => {
      const moved = makeProject("moved");
      for (const file of ["esbuild-bundled.mjs", "esbuild-bundled.cjs", "rollup-bundled.cjs", "vite-bundled.mjs"]) {
        copyFileSync(join(folder, file), join(moved, file));
        checkRefusal(node([file], { cwd: moved }), "ERR_BINDING_MISSING", "external", "npm install overfill@");
      }
      const other = join(moved, "node_modules", "overfill");
      mkdirSync(other, { recursive: true });
      writeFileSync(join(other, "package.json"), '{ "name": "overfill", "version": "0.0.1" }');
      checkRefusal(
        node(["esbuild-bundled.cjs"], { cwd: moved }),
        "ERR_BINDING_MISSING",
        "0.0.1",
        "npm install overfill@",
      );
    },
  );
}
