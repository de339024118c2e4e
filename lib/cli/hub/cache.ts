/**
 * A repository's folder in Hugging Face's cache, which its own tools and llama.cpp read too:
 *
 *   models--org--name/blobs/DIGEST             a file's content
 *   models--org--name/snapshots/COMMIT/PATH    a link to it, for every file of a revision
 *   models--org--name/refs/REVISION            the commit that a branch or a tag means
 *
 * Every name appears when what it names is whole.
 */

import { randomBytes } from "node:crypto";
import { copyFile, link, lstat, mkdir, readlink, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { HubFile } from "./listing.js";

/** Where one file of a repository is to be. */
export interface CachePlace {
  readonly blob: string;
  /** What is read. */
  readonly pointer: string;
}

/** The folder of `org/name`. */
export const repositoryFolder = (cacheFolder: string, repository: string): string =>
  join(cacheFolder, `models--${repository.replaceAll("/", "--")}`);

export function placeOf(folder: string, commit: string, file: HubFile): CachePlace {
  return {
    blob: join(folder, "blobs", file.digest),
    pointer: join(folder, "snapshots", commit, ...file.path.split("/")),
  };
}

/** Whether there is a file of this size. */
export async function isThere(path: string, sizeBytes: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true && found.size === sizeBytes;
}

/** Makes the snapshot's name for a blob that is whole: a link where the system has links, else the file once more. */
export async function publish({ blob, pointer }: CachePlace): Promise<void> {
  const target = relative(dirname(pointer), blob);
  if ((await readlink(pointer).catch(() => undefined)) === target) return;
  await mkdir(dirname(pointer), { recursive: true });
  const fresh = `${pointer}.${randomBytes(6).toString("hex")}.part`;
  try {
    await symlink(target, fresh, "file").catch(() => link(blob, fresh).catch(() => copyFile(blob, fresh)));
    await rename(fresh, pointer);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
}

/** Notes what a branch or a tag means now; a commit means itself. */
export async function noteRevision(folder: string, revision: string, commit: string): Promise<void> {
  if (revision === commit) return;
  const path = join(folder, "refs", ...revision.split("/"));
  await mkdir(dirname(path), { recursive: true });
  const fresh = `${path}.${randomBytes(6).toString("hex")}.part`;
  await writeFile(fresh, commit);
  await rename(fresh, path);
}

/** Whether something has the name, a link to nothing too. */
export const isTaken = async (path: string): Promise<boolean> =>
  (await lstat(path).catch(() => undefined)) !== undefined;
