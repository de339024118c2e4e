/**
 * A file that comes in segments, in any order, and may be gone on with by a later process. Beside it lies a note with how
 * much of each segment is there; it is never ahead of what was written. A checksum over the whole is still what counts: a
 * system that fails may keep the note and lose what it tells of.
 */

import { type FileHandle, open, readFile, rename, rm, writeFile } from "node:fs/promises";

/** What may be fetched on its own. */
export interface Segment {
  readonly begin: number;
  readonly end: number;
  /** Bytes that are there, from its beginning. */
  done: number;
}

interface Note {
  readonly version: 1;
  readonly sizeBytes: number;
  readonly segmentBytes: number;
  /** By which a server tells that its file is still the same; empty where the file's name tells. */
  readonly tag: string;
  readonly done: readonly number[];
}

export interface PartialFileOptions {
  readonly sizeBytes: number;
  readonly segmentBytes: number;
  readonly tag: string;
}

const noteEveryMs = 1000;

export class PartialFile implements AsyncDisposable {
  readonly segments: readonly Segment[];
  #noted = Date.now();

  private constructor(
    readonly path: string,
    readonly options: PartialFileOptions,
    readonly file: FileHandle,
    done: readonly number[],
  ) {
    const { sizeBytes, segmentBytes } = options;
    this.segments = done.map((count, index) => ({
      begin: index * segmentBytes,
      end: Math.min(sizeBytes, (index + 1) * segmentBytes),
      done: count,
    }));
  }

  /** Goes on with what lies at `path`, if it is of the same file. Rejects with the system's error. */
  static async open(path: string, options: PartialFileOptions): Promise<PartialFile> {
    const done = await PartialFile.#doneIn(path, options);
    if (done) {
      const file = await open(path, "r+").catch(() => undefined);
      if (file && (await file.stat()).size === options.sizeBytes) return new PartialFile(path, options, file, done);
      await file?.close();
    }
    await PartialFile.remove(path);
    const file = await open(path, "w+");
    // Its size from the start, by which a later process knows it again.
    await file.truncate(options.sizeBytes);
    const count = Math.max(1, Math.ceil(options.sizeBytes / options.segmentBytes));
    return new PartialFile(
      path,
      options,
      file,
      Array.from({ length: count }, () => 0),
    );
  }

  static async remove(path: string): Promise<void> {
    await rm(`${path}.json`, { force: true });
    await rm(path, { force: true });
  }

  /** Bytes that a later call of `open` would find. */
  static async bytesAt(path: string, options: PartialFileOptions): Promise<number> {
    return ((await PartialFile.#doneIn(path, options)) ?? []).reduce((sum, count) => sum + count, 0);
  }

  static async #doneIn(path: string, options: PartialFileOptions): Promise<readonly number[] | undefined> {
    const text = await readFile(`${path}.json`, "utf8").catch(() => "{}");
    try {
      const note = JSON.parse(text) as Partial<Note>;
      const isSame = note.version === 1 && note.sizeBytes === options.sizeBytes && note.tag === options.tag;
      if (!isSame || note.segmentBytes !== options.segmentBytes || !Array.isArray(note.done)) return undefined;
      const lengths = Array.from({ length: Math.max(1, Math.ceil(options.sizeBytes / options.segmentBytes)) }, (_, i) =>
        Math.min(options.segmentBytes, options.sizeBytes - i * options.segmentBytes),
      );
      const isSound = note.done.every(
        (count, i) => Number.isInteger(count) && count >= 0 && count <= (lengths[i] ?? -1),
      );
      return isSound && note.done.length === lengths.length ? note.done : undefined;
    } catch {
      return undefined;
    }
  }

  get doneBytes(): number {
    return this.segments.reduce((sum, { done }) => sum + done, 0);
  }

  /** Writes what comes next in a segment. Rejects with the system's error. */
  async append(segment: Segment, bytes: Uint8Array): Promise<void> {
    for (let written = 0; written < bytes.length; ) {
      const position = segment.begin + segment.done;
      const { bytesWritten } = await this.file.write(bytes, written, bytes.length - written, position);
      written += bytesWritten;
      segment.done += bytesWritten;
    }
    if (Date.now() - this.#noted < noteEveryMs) return;
    this.#noted = Date.now();
    await this.note();
  }

  /** Writes down what is there. */
  async note(): Promise<void> {
    const note: Note = { version: 1, ...this.options, done: this.segments.map(({ done }) => done) };
    await writeFile(`${this.path}.json.new`, JSON.stringify(note));
    await rename(`${this.path}.json.new`, `${this.path}.json`);
  }

  /** Closes it; what is there stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.file.close();
  }
}
