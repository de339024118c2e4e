/**
 * The file of answers, and the file beside it (`<out>.progress`) that says how far it has come, so that a run which ends at
 * any moment can go on. That one has a line of JSON for what was asked for, then one for each prompt that is done, in their
 * order:
 *
 *     { "overfill": "answers", "version": 1, "facts": { "model": "...", "seed": 1, ... } }
 *     { "prompt": 0, "end": 1234, "answers": 2, "kept": 1, "cutOff": 0, "duplicates": 1, "failed": 0, "tokens": 57 }
 *
 * A prompt's answers are in the file, up to the byte `end`, before its line is written here. So what is behind the last
 * `end`, and a last line here without a line break, belongs to a prompt that is not done, and is cut off.
 */

import { constants } from "node:fs";
import { type FileHandle, open, readFile, stat } from "node:fs/promises";
import { createError } from "../../errors/create-error.js";
import { systemReason, unreadable } from "../../internal/file-faults.js";
import { onFirstUse, whole } from "../../internal/option-schemas.js";
import * as z from "../../internal/schema.js";
import type { AnswerCounts } from "./chosen-answers.js";

/** What was asked for, by the names of the options: what another run has to have alike to go on. */
export type AnswerFacts = Readonly<Record<string, unknown>>;

/** A prompt that is done. */
export interface DonePrompt extends AnswerCounts {
  /** Why it could not be asked, if so. */
  readonly problem?: string;
}

/** Where `out` ends with this prompt, and which one it is. */
type ProgressLine = DonePrompt & { readonly prompt: number; readonly end: number };

const count = onFirstUse(() => whole(0));
const headSchema = onFirstUse(() =>
  z.object({ overfill: z.literal("answers"), version: z.literal(1), facts: z.record(z.string(), z.unknown()) }),
);
const lineSchema = onFirstUse(() =>
  z.object({
    prompt: count(),
    end: count(),
    answers: count(),
    kept: count(),
    cutOff: count(),
    duplicates: count(),
    failed: count(),
    tokens: count(),
    problem: z.optional(z.string()),
  }),
);

/** What an earlier run has left. */
interface Begun {
  readonly lines: readonly ProgressLine[];
  /** Of the file beside it that stays, in bytes. */
  readonly progressBytes: number;
}

const nothingDone: Begun = { lines: [], progressBytes: 0 };

/** A file that is written behind what it has. */
class GrowingFile {
  private constructor(
    readonly path: string,
    readonly handle: FileHandle,
    /** In bytes. */
    public end: number,
  ) {}

  /** @param end how many of its bytes stay */
  static async open(path: string, end: number): Promise<GrowingFile> {
    return writing(path, async () => {
      // Not to append: Windows would not let it be cut.
      const handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o666);
      try {
        await handle.truncate(end);
        return new GrowingFile(path, handle, end);
      } catch (error) {
        await handle.close();
        throw error;
      }
    });
  }

  /** All of it or, where the system refuses and allows that at least, nothing. */
  async append(text: string): Promise<void> {
    const bytes = Buffer.from(text);
    try {
      for (let done = 0; done < bytes.length; ) {
        const at = this.end + done;
        done += (await this.handle.write(bytes, done, bytes.length - done, at)).bytesWritten;
      }
    } catch (error) {
      await this.handle.truncate(this.end).catch(() => {});
      throw cannotWrite(this.path, error);
    }
    this.end += bytes.length;
  }
}

export class AnswerFile {
  #next: number;

  private constructor(
    readonly path: string,
    /** What an earlier run has done. */
    readonly before: readonly DonePrompt[],
    readonly out: GrowingFile,
    readonly progress: GrowingFile,
  ) {
    this.#next = before.length;
  }

  /**
   * Rejects with ERR_CHECKPOINT_INVALID where a run is to go on that asked for something else, or whose files are damaged;
   * with ERR_FILE_READ_FAILED, ERR_FILE_WRITE_FAILED.
   */
  static async open(path: string, facts: AnswerFacts, resume: boolean): Promise<AnswerFile> {
    const progressPath = progressPathOf(path);
    const begun = resume ? await readBegun(path, progressPath, facts) : nothingDone;
    const out = await GrowingFile.open(path, begun.lines.at(-1)?.end ?? 0);
    let progress: GrowingFile | undefined;
    try {
      progress = await GrowingFile.open(progressPath, begun.progressBytes);
      if (progress.end === 0) await progress.append(lineOf({ overfill: "answers", version: 1, facts }));
      return new AnswerFile(path, begun.lines, out, progress);
    } catch (error) {
      await progress?.handle.close();
      await out.handle.close();
      throw error;
    }
  }

  /** @param lines of the next prompt's answers, each with its line break */
  async add(lines: string, done: DonePrompt): Promise<void> {
    await this.out.append(lines);
    await this.progress.append(lineOf({ prompt: this.#next++, end: this.out.end, ...done }));
  }

  async close(): Promise<void> {
    await Promise.all([this.out.handle.close(), this.progress.handle.close()]);
  }
}

const lineOf = (value: object) => `${JSON.stringify(value)}\n`;

export const progressPathOf = (path: string): string => `${path}.progress`;

async function writing<Result>(path: string, write: () => Promise<Result>): Promise<Result> {
  try {
    return await write();
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

function cannotWrite(path: string, error: unknown): Error {
  return createError("ERR_FILE_WRITE_FAILED", `${path} cannot be written: ${systemReason(error)}`, { path }, error);
}

async function readBegun(path: string, progressPath: string, facts: AnswerFacts): Promise<Begun> {
  const text = await readIfThere(progressPath);
  // Only whole lines count.
  const complete = text.split("\n").slice(0, -1);
  const [head, ...rest] = complete;
  if (head === undefined) return nothingDone;
  const parsed = z.safeParse(headSchema(), jsonOf(head));
  if (!parsed.success) throw invalid(progressPath, "it does not tell of answers, or is damaged");
  refuseOther(progressPath, parsed.data.facts, facts);
  const outBytes = await sizeOf(path);
  const lines: ProgressLine[] = [];
  let progressBytes = Buffer.byteLength(head) + 1;
  for (const [prompt, one] of rest.entries()) {
    const line = z.safeParse(lineSchema(), jsonOf(one));
    if (!line.success || line.data.prompt !== prompt || line.data.end < (lines.at(-1)?.end ?? 0))
      throw invalid(progressPath, `line ${prompt + 2} is damaged`);
    // After a loss of power the file may lack what was written last.
    if (line.data.end > outBytes) break;
    lines.push(line.data as ProgressLine);
    progressBytes += Buffer.byteLength(one) + 1;
  }
  await refuseOtherOutput(path, progressPath, lines.at(-1)?.end ?? 0);
  return { lines, progressBytes };
}

/** That the answers end with a line where they are said to end. */
async function refuseOtherOutput(path: string, progressPath: string, end: number): Promise<void> {
  if (end === 0) return;
  const file = await reading(path, () => open(path, "r"));
  try {
    const { buffer } = await reading(path, () => file.read(Buffer.alloc(1), 0, 1, end - 1));
    if (buffer.toString("latin1") !== "\n") throw invalid(progressPath, `${path} is another file by now`, "out");
  } finally {
    await file.close();
  }
}

function refuseOther(path: string, begun: AnswerFacts, asked: AnswerFacts): void {
  for (const fact of new Set([...Object.keys(asked), ...Object.keys(begun)])) {
    const [was, is] = [JSON.stringify(begun[fact]), JSON.stringify(asked[fact])];
    if (was === is) continue;
    const differs = fact === "data" || fact === "model" ? `another ${fact}` : `${fact} ${was ?? "not given"}`;
    throw invalid(path, `these answers were begun with ${differs}`, fact);
  }
}

function invalid(path: string, reason: string, fact?: string): Error {
  return createError("ERR_CHECKPOINT_INVALID", `${path}: ${reason}`, { path, ...(fact !== undefined && { fact }) });
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

async function reading<Result>(path: string, read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (error) {
    throw createError("ERR_FILE_READ_FAILED", unreadable(path, error), { path }, error);
  }
}

const isMissing = (error: unknown) => (error as NodeJS.ErrnoException).code === "ENOENT";

async function readIfThere(path: string): Promise<string> {
  return reading(path, () =>
    readFile(path, "utf8").catch((error: unknown) => {
      if (isMissing(error)) return "";
      throw error;
    }),
  );
}

async function sizeOf(path: string): Promise<number> {
  return reading(path, async () => {
    try {
      return (await stat(path)).size;
    } catch (error) {
      if (isMissing(error)) return 0;
      throw error;
    }
  });
}
