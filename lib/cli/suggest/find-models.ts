/** Finds the GGUF files that this machine has: in folders that are named, and where programs for models keep theirs. */

import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join, resolve } from "node:path";
import { FileFault } from "../files.js";
import { type Environment, hubCacheFolder } from "../hub/settings.js";

/** A file that may be a model. */
export interface FoundFile {
  /** As it was found: of a link, the link. */
  readonly path: string;
  /** What people know it by: its own name, or the one that Ollama has for it. */
  readonly name: string;
}

/** Folders within a folder, so deep. A cache of the Hub has three, and repositories may have some of their own. */
const deepestFolder = 8;
/** Files and folders that are looked at in one place: somebody may name the root of a disk. */
const mostEntries = 50_000;

/** Where programs keep models, whether or not there is anything. */
export function usualFolders(env: Environment = process.env): readonly string[] {
  const home = homedir();
  const ownCaches =
    process.platform === "darwin"
      ? [join(home, "Library", "Caches", "llama.cpp")]
      : [join(home, ".cache", "llama.cpp")];
  return [
    hubCacheFolder(env),
    ...(env.LLAMA_CACHE ? [resolve(env.LLAMA_CACHE)] : ownCaches),
    join(home, ".lmstudio", "models"),
    join(home, ".cache", "lm-studio", "models"),
  ];
}

/** Where Ollama keeps its manifests and blobs. */
export const ollamaFolder = (env: Environment = process.env): string =>
  env.OLLAMA_MODELS ? resolve(env.OLLAMA_MODELS) : join(homedir(), ".ollama", "models");

/**
 * Every file once, whatever it is called.
 *
 * @param folders of which each has to be there; those of programs need not
 */
export async function findModelFiles(
  folders: readonly string[],
  { env = process.env, signal }: { readonly env?: Environment; readonly signal: AbortSignal },
): Promise<readonly FoundFile[]> {
  const found: FoundFile[] = [];
  for (const folder of folders) {
    const facts = await stat(folder).catch((error) => {
      throw new FileFault(folder, "read", error);
    });
    if (facts.isFile()) found.push({ path: resolve(folder), name: basename(folder) });
    else found.push(...(await filesBelow(resolve(folder), signal)));
  }
  for (const folder of usualFolders(env)) found.push(...(await filesBelow(folder, signal)));
  found.push(...(await filesOfOllama(ollamaFolder(env))));

  const byFile = new Map<string, FoundFile>();
  for (const file of found) {
    const real = await realpath(file.path).catch(() => undefined);
    if (real !== undefined && !byFile.has(real)) byFile.set(real, file);
  }
  return [...byFile.values()];
}

async function filesBelow(root: string, signal: AbortSignal): Promise<FoundFile[]> {
  const files: FoundFile[] = [];
  let left = mostEntries;
  const visit = async (folder: string, depth: number): Promise<void> => {
    signal.throwIfAborted();
    // One that cannot be read is passed over, as `find` does.
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (left-- <= 0) return;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (depth < deepestFolder && entry.name !== "node_modules" && entry.name !== ".git")
          await visit(path, depth + 1);
      } else if (isModelName(entry.name)) files.push({ path, name: entry.name });
    }
  };
  await visit(root, 0);
  return files;
}

/** Of a model in parts the first; not what goes along with a model. */
function isModelName(name: string): boolean {
  if (!/\.gguf$/i.test(name) || /mmproj|imatrix/i.test(name)) return false;
  const [, part = "00001"] = /-(\d{5})-of-\d{5}\.gguf$/i.exec(name) ?? [];
  return part === "00001";
}

const modelLayer = "application/vnd.ollama.image.model";

/** `manifests/HOST/ORG/NAME/TAG` is JSON that names a blob. */
async function filesOfOllama(root: string): Promise<FoundFile[]> {
  const manifests = join(root, "manifests");
  const names = await readdir(manifests, { recursive: true }).catch(() => []);
  const found = await Promise.all(
    names.slice(0, mostEntries).map(async (name) => {
      const digest = await digestIn(join(manifests, name));
      if (digest === undefined) return [];
      const [model = "", tag = ""] = name.split(/[\\/]/).slice(-2);
      return [{ path: join(root, "blobs", digest), name: `${model}:${tag} (Ollama)` }];
    }),
  );
  return found.flat();
}

async function digestIn(manifest: string): Promise<string | undefined> {
  try {
    const { layers } = JSON.parse(await readFile(manifest, "utf8")) as { layers?: unknown };
    if (!Array.isArray(layers)) return undefined;
    const { digest } = (layers.find((layer: { mediaType?: unknown }) => layer?.mediaType === modelLayer) ?? {}) as {
      digest?: unknown;
    };
    const [, hex] = /^sha256:([0-9a-f]{64})$/.exec(String(digest)) ?? [];
    return hex === undefined ? undefined : `sha256-${hex}`;
  } catch {
    // A folder, or another file.
    return undefined;
  }
}
