/** The types of the installed package, as publint, are-the-types-wrong and a strict consumer see them. */
import { cpSync } from "node:fs";
import { join } from "node:path";
import { makeProject, node, npmInstall, root, step } from "./work.mjs";

const tool = (...path) => join(root, "node_modules", ...path);

const consumer = `
import { loadPair, OverfillError, type DecodeChunk, type Pair } from "overfill";
export async function answer(): Promise<string> {
  await using pair: Pair = await loadPair({ prefill: { model: "x" } });
  const session = await pair.createSession();
  const chunks: DecodeChunk[] = [];
  for await (const chunk of session.decode({ stop: ["a"] })) chunks.push(chunk);
  if (OverfillError.isInstance(null)) return "";
  return chunks.map((chunk) => chunk.text).join("");
}`;

/** The subpaths' types, with nothing else installed. */
const subpaths = `
import { loadPair } from "overfill";
import { createOverfill, type LanguageModel, type OverfillProvider } from "overfill/ai-sdk";
import { createHandler, type ServerHandler } from "overfill/server";
export const handler: ServerHandler = createHandler({ models: { small: { load: { prefill: { model: "x" } } } } });
export async function model(): Promise<LanguageModel> {
  const pair = await loadPair({ prefill: { model: "x" } });
  const provider: OverfillProvider = createOverfill({ models: { small: { pair, template: "chatml", minP: undefined } } });
  return provider("small");
}`;

/** module, moduleResolution, the consumer's package type. */
const resolutions = [
  ["nodenext", "nodenext", "module"],
  ["node16", "node16", "module"],
  ["esnext", "bundler", "module"],
  ["commonjs", "node10", "commonjs"],
];

export async function checkTypes(tarballs) {
  await step("publint is content", () => {
    for (const tarball of [tarballs.main, ...Object.values(tarballs.platforms)])
      node([tool("publint", "src", "cli.js"), tarball, "--strict"]);
  });
  await step("the types resolve for ES modules, and by main and types", () =>
    node([tool("@arethetypeswrong", "cli", "dist", "index.js"), tarballs.main, "--profile", "esm-only"]),
  );
  await step("a strict consumer compiles by every resolution, with and without @types/node", () => {
    const project = makeProject("types", { "use.ts": consumer, "subpaths.ts": subpaths });
    npmInstall(project, tarballs.main, "--omit=optional");
    const compile = ([module, resolution, type]) => {
      makeProject("types", {}, { type });
      // Resolution as in Node 10 knows no exports, and so no subpaths.
      const files = resolution === "node10" ? ["use.ts"] : ["use.ts", "subpaths.ts"];
      const strict = ["--strict", "--exactOptionalPropertyTypes", "--skipLibCheck", "false", "--target", "es2022"];
      const flags = ["--noEmit", ...strict, "--module", module, "--moduleResolution", resolution];
      node([tool("typescript", "bin", "tsc"), ...flags, ...files], { cwd: project });
    };
    for (const resolution of resolutions) compile(resolution);
    for (const name of ["@types/node", "undici-types"])
      cpSync(tool(name), join(project, "node_modules", name), { recursive: true });
    compile(resolutions[0]);
  });
}
