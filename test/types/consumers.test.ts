/** The built types as programs of others see them: under each way of resolving modules, and under the strictest options. */

import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import ts from "typescript";
import { withTempDir } from "../support/temp-dir.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const entries = ["dist/index.d.ts", "dist/ai-sdk/index.d.ts", "dist/server/index.d.ts"].map((file) => join(root, file));

/** Uses most of what has types of its own: options that are undefined, errors by code, what is disposed of. */
const program = `
import { type DecodeOptions, type GenerateOptions, type HealOptions, loadPair, type LoadPairOptions, OverfillError, type PruneOptions } from "overfill";
import { createOverfill, type OverfillModelOptions } from "overfill/ai-sdk";
import { createHandler, serve, type ServeOptions } from "overfill/server";

const load: LoadPairOptions = { prefill: { model: "a", gpuLayers: undefined }, decode: undefined, threads: undefined, signal: undefined, onProgress: undefined };
const decode: DecodeOptions = { topK: undefined, stop: undefined, logitBias: undefined };
const generate: GenerateOptions = { ...decode, onChunk: undefined, refresh: undefined };
const prune: PruneOptions = { model: "a", out: "b", hidden: undefined, text: undefined };
const heal: HealOptions = { student: "a", data: "b", out: "c", lora: { rank: 1, alpha: undefined }, distillation: undefined };

export async function run(): Promise<number> {
  const pair = await loadPair(load);
  const model: OverfillModelOptions = { pair, template: undefined, temperature: undefined, stop: undefined };
  await createOverfill({ models: { small: model }, maxSessions: undefined }).dispose();
  const served: ServeOptions = { models: { small: pair, other: { load } }, auth: { keys: undefined }, limits: undefined, port: undefined };
  const response: Response = await createHandler(served)(new Request("http://localhost/health"));
  await using server = await serve({ ...served, log: response.ok ? false : { bodies: undefined } });
  await server.close({ graceMs: undefined });
  try {
    const session = await pair.createSession();
    for await (const chunk of session.decode(decode)) chunk.text.toUpperCase();
    return (await session.generate("x", generate)).tokens.length;
  } catch (error) {
    if (OverfillError.isInstance(error) && error.code === "ERR_QUEUE_FULL") return error.details.maxSessions;
    throw error;
  }
}
export const used = [prune, heal];
`;

const node16: ts.CompilerOptions = {
  module: ts.ModuleKind.Node16,
  moduleResolution: ts.ModuleResolutionKind.Node16,
  types: ["node"],
};
const consumers: Readonly<Record<string, ts.CompilerOptions>> = {
  node16,
  bundler: { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, types: ["node"] },
  "bundler, without Node's types but with the DOM's": {
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    types: [],
    lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts", "lib.dom.d.ts"],
  },
};

function diagnosticsOf(t: ExecutionContext, text: string, options: ts.CompilerOptions): string[] {
  const folder = withTempDir(t);
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "overfill"), "dir");
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const file = join(folder, "program.ts");
  writeFileSync(file, text);
  const compiled = ts.createProgram([file], {
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts"],
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    typeRoots: [join(root, "node_modules/@types")],
    ...options,
  });
  return ts
    .getPreEmitDiagnostics(compiled)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
}

for (const [title, options] of Object.entries(consumers))
  test(`a strict program compiles with module resolution ${title}`, (t) => {
    t.deepEqual(diagnosticsOf(t, program, options), []);
  });

test("what only the package makes cannot be made by a program", (t) => {
  const text = `import { DecodeStream, Pair, Session } from "overfill"; export const made = [new Pair(), new Session(), new DecodeStream()];`;
  const found = diagnosticsOf(t, text, node16);
  t.is(found.length, 3);
  for (const message of found) t.regex(message, /constructor .* is private/i);
});

test("the package's inner functions have left the public face", (t) => {
  const text = `import { createError } from "overfill"; import { wrapPair } from "overfill"; export const made = [createError, wrapPair];`;
  const found = diagnosticsOf(t, text, node16);
  t.is(found.length, 2);
  for (const message of found) t.regex(message, /no exported member/);
});

test("no public type names the schema library", (t) => {
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = readFileSync(file, "utf8");
    for (const [, specifier = ""] of text.matchAll(/(?:from|import\() ?"([^"]+)"/g)) {
      t.true(specifier.startsWith(".") || specifier.startsWith("node:"), `${file}: ${specifier}`);
      t.notRegex(specifier, /\/schema\.js$/, file);
      if (specifier.startsWith(".")) visit(join(dirname(file), specifier.replace(/\.js$/, ".d.ts")));
    }
  };
  for (const entry of entries) visit(entry);
  t.true(seen.size > 10);
});
