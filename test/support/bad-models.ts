/**
 * Files that are no models, or none that a pair can be made of, each with the code that loading it must fail with. Many of
 * them make llama.cpp abort its process, which is why they are here.
 */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { containerCases } from "./bad-model-containers.js";
import { contentCases } from "./bad-model-contents.js";
import { unsupportedCases } from "./bad-model-kinds.js";

export type BadModelCode =
  | "ERR_MODEL_NOT_FOUND"
  | "ERR_MODEL_NOT_A_FILE"
  | "ERR_MODEL_INVALID"
  | "ERR_MODEL_UNSUPPORTED";

export interface BadModel {
  /** What is wrong, to be read after "a model with" or "a file with": fit for a test title. */
  readonly title: string;
  readonly path: string;
  readonly code: BadModelCode;
}

/** Writes all bad models into a folder. File names follow the order, titles are unique. */
export async function badModels(dir: string): Promise<BadModel[]> {
  const folder = join(dir, "folder.gguf");
  await mkdir(folder);
  const models: BadModel[] = [
    { title: "no file", path: join(dir, "missing.gguf"), code: "ERR_MODEL_NOT_FOUND" },
    { title: "no file and no folder for it", path: join(dir, "missing", "model.gguf"), code: "ERR_MODEL_NOT_FOUND" },
    { title: "a folder in place of a file", path: folder, code: "ERR_MODEL_NOT_A_FILE" },
  ];
  const written = [
    ...(await containerCases()).map((bad) => ({ ...bad, code: "ERR_MODEL_INVALID" as const })),
    ...(await contentCases()).map((bad) => ({ ...bad, code: "ERR_MODEL_INVALID" as const })),
    ...(await unsupportedCases()).map((bad) => ({ ...bad, code: "ERR_MODEL_UNSUPPORTED" as const })),
  ];
  for (const [i, { title, bytes, code }] of written.entries()) {
    const path = join(dir, `bad-${String(i).padStart(3, "0")}.gguf`);
    await writeFile(path, bytes);
    models.push({ title, path, code });
  }
  return models;
}
