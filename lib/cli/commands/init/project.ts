/** Writes an example as a project: its files, with the models' names and the versions put in. */

import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { ownFolder } from "../../../internal/package-files.js";
import { UsageError } from "../../exit.js";
import type { Kind } from "./flags.js";

export interface ProjectOptions {
  readonly folder: string;
  readonly kind: Kind;
  /** Paths of the models; a project without them names files that are to be put there. */
  readonly models?: { readonly prefill: string; readonly decode: string } | undefined;
}

export interface Project {
  readonly folder: string;
  readonly kind: Kind;
  /** Below the folder. */
  readonly files: readonly string[];
  /** What starts it, such as `start`. */
  readonly script: string;
  /** Whether it names models that are not there yet. */
  readonly lacksModels: boolean;
}

/** Where an example's script names its two models. */
const placeholder = /\b(full|small)\.gguf\b/g;

/** Rejects with a UsageError for a folder or a path that cannot be used, or the system's error. */
export async function writeProject({ folder, kind, models }: ProjectOptions): Promise<Project> {
  const target = resolve(folder);
  const isNew = await checkFolder(target);
  const example = join(ownFolder(), "examples", kind);
  const words = models && { full: inScript(models.prefill), small: inScript(models.decode) };
  try {
    await mkdir(target, { recursive: true });
    await cp(example, target, { recursive: true, filter: (path) => !/node_modules|\.next$/.test(basename(path)) });
    const started = await adaptManifest(target, words);
    if (models !== undefined) await adaptModels(target, models);
    await writeFile(join(target, ".gitignore"), "node_modules\n.next\nout\ndist\n*.gguf\n");
    const entries = await readdir(target, { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(target.length + 1))
      .sort();
    return { folder: target, kind, files, ...started };
  } catch (error) {
    if (isNew) await rm(target, { recursive: true, force: true });
    throw error;
  }
}

/** Whether the folder has to be made. */
async function checkFolder(target: string): Promise<boolean> {
  try {
    if ((await readdir(target)).length === 0) return false;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return true;
    if (code === "ENOTDIR") throw new UsageError(`${target} is a file: name a folder`);
    throw error;
  }
  throw new UsageError(`${target} is not empty: name another folder`);
}

/** npm gives a script to a shell, which takes these for something else, in quotes too. */
function inScript(path: string): string {
  const isPlain = process.platform === "win32" ? !/["%]/.test(path) : !/["$`\\!]/.test(path);
  if (!isPlain) throw new UsageError(`${path} has letters that a script cannot have: give the file another name`);
  return `"${path}"`;
}

/** Gives the name of the script that starts it, and whether files are still to be put there. */
async function adaptManifest(
  target: string,
  words: Readonly<Record<string, string>> | undefined,
): Promise<Pick<Project, "script" | "lacksModels">> {
  const file = join(target, "package.json");
  const manifest = JSON.parse(await readFile(file, "utf8"));
  const { version } = JSON.parse(await readFile(join(ownFolder(), "package.json"), "utf8"));
  manifest.name = packageNameOf(target);
  manifest.dependencies.overfill = `^${version}`;
  const script = "dev" in manifest.scripts ? "dev" : "start";
  const started = `${manifest.scripts[script]}${await modelsFile(target)}`;
  for (const [name, command] of Object.entries<string>(manifest.scripts))
    manifest.scripts[name] = command.replace(placeholder, (whole, model: string) => words?.[model] ?? whole);
  await writeFile(file, `${JSON.stringify(manifest, undefined, 2)}\n`);
  return { script, lacksModels: words === undefined && started.match(placeholder) !== null };
}

/** A name that npm takes. */
function packageNameOf(target: string): string {
  const name = basename(target)
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^[._-]+|-+$/g, "");
  // One like a dependency's would be installed into itself.
  return name === "" || ["overfill", "next", "electron", "openai"].includes(name) ? "my-app" : name;
}

/** The examples that are no programs of the command line have their models in a file; of the others it is "". */
async function modelsFile(target: string): Promise<string> {
  return readFile(join(target, "models.mjs"), "utf8").catch(() => "");
}

async function adaptModels(target: string, { prefill, decode }: NonNullable<ProjectOptions["models"]>): Promise<void> {
  if ((await modelsFile(target)) === "") return;
  const path = (model: string) => `{ model: ${JSON.stringify(model)} }`;
  await writeFile(
    join(target, "models.mjs"),
    [
      "// The two models: paths of GGUF files.",
      `export const models = { prefill: ${path(prefill)}, decode: ${path(decode)} };`,
      'export const options = { system: "You are brief." };',
      "",
    ].join("\n"),
  );
}
