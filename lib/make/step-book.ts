/**
 * Steps that make files, and what they came to, so that work which ends at any moment goes on. A step's key is a hash of
 * what it does and of the keys of the steps that it builds on. `NAME.begun` has the key before a step begins: what it left
 * half-made may be gone on with where that is still its key. `NAME.json` has the key with the step's result once the files
 * are whole. Both are written under another name first.
 */

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createError } from "../errors/create-error.js";
import { systemReason } from "../internal/file-faults.js";

/** A step of the work. `Result` is what JSON can hold. */
export interface WorkStep<Result> {
  /** A file name, too. */
  readonly name: string;
  /** What the result depends on besides `needs`: what JSON can hold. */
  readonly facts: unknown;
  /** Keys of the steps that it builds on. */
  readonly needs: readonly string[];
  /** The files that it makes. */
  readonly files: readonly string[];
  /** @param goesOn whether this very step was begun before, and may have left something to go on with */
  run(goesOn: boolean): Promise<Result>;
}

export interface DoneStep<Result> {
  readonly key: string;
  readonly result: Result;
  /** Of the run that did it. */
  readonly ms: number;
}

export class StepBook {
  private constructor(readonly folder: string) {}

  /** Rejects with ERR_FILE_WRITE_FAILED. */
  static async open(folder: string): Promise<StepBook> {
    await writing(folder, () => mkdir(folder, { recursive: true }));
    return new StepBook(folder);
  }

  /** What a step has come to, now or in an earlier run. Rejects with what it rejects with. */
  async do<Result>(step: WorkStep<Result>): Promise<DoneStep<Result>> {
    const key = keyOfStep(step);
    const before = await this.#read<Result>(step.name);
    if (before?.key === key && step.files.every((file) => existsSync(file))) return before;
    const begun = join(this.folder, `${step.name}.begun`);
    const goesOn = (await readText(begun)) === key;
    if (!goesOn) await put(begun, key);
    const since = performance.now();
    const result = await step.run(goesOn);
    const done = { key, result, ms: performance.now() - since };
    await put(this.#fileOf(step.name), JSON.stringify(done));
    return done;
  }

  async #read<Result>(name: string): Promise<DoneStep<Result> | undefined> {
    const text = await readText(this.#fileOf(name));
    try {
      return text === undefined ? undefined : (JSON.parse(text) as DoneStep<Result>);
    } catch {
      // It is done again.
      return undefined;
    }
  }

  #fileOf(name: string): string {
    return join(this.folder, `${name}.json`);
  }
}

function keyOfStep({ name, facts, needs }: WorkStep<unknown>): string {
  return createHash("sha256")
    .update(JSON.stringify([name, facts, needs]))
    .digest("hex");
}

/** Undefined where there is none, or none that can be read. */
const readText = (path: string): Promise<string | undefined> => readFile(path, "utf8").catch(() => undefined);

/** Writes a file whole or not at all. Rejects with ERR_FILE_WRITE_FAILED. */
export async function put(path: string, content: string): Promise<void> {
  await writing(path, async () => {
    await writeFile(`${path}.part`, content);
    await rename(`${path}.part`, path);
  });
}

/** Does what writes `path`. Rejects with ERR_FILE_WRITE_FAILED. */
export async function writing(path: string, write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (error) {
    throw createError("ERR_FILE_WRITE_FAILED", `${path} cannot be written: ${systemReason(error)}`, { path }, error);
  }
}
