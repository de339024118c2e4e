/** Plain copies of a file, through memory of the size of one piece: what moving so many bytes costs at least. */

import { closeSync, fsyncSync, openSync, readSync, renameSync, writeSync } from "node:fs";

const pieceBytes = 1 << 20;

/** Brings the copy to the disk. Milliseconds. Not `copyFile`, which may let the file system share the blocks and copy nothing. */
export function copyToDisk(from: string, to: string): number {
  const begin = performance.now();
  const source = openSync(from, "r");
  const target = openSync(to, "w");
  const piece = Buffer.allocUnsafe(pieceBytes);
  for (let n = readSync(source, piece); n > 0; n = readSync(source, piece)) {
    for (let done = 0; done < n; ) done += writeSync(target, piece, done, n - done);
  }
  fsyncSync(target);
  closeSync(source);
  closeSync(target);
  return performance.now() - begin;
}

/**
 * The same into a new file, which then takes the name: as whoever must leave the old file or the new one has to. That is slower
 * than {@link copyToDisk} over an earlier copy where the system has to find memory for a second file's pages.
 */
export function copyAndReplace(from: string, to: string): number {
  const begin = performance.now();
  copyToDisk(from, `${to}.part`);
  renameSync(`${to}.part`, to);
  return performance.now() - begin;
}

/** Reads a file and keeps nothing of it: the one piece of memory stays in the processor's caches. Milliseconds. */
export function readThrough(file: string): number {
  const begin = performance.now();
  const descriptor = openSync(file, "r");
  const piece = Buffer.allocUnsafe(pieceBytes);
  while (readSync(descriptor, piece) > 0);
  closeSync(descriptor);
  return performance.now() - begin;
}

/** Copies bytes from memory to memory. Neither is in the processor's caches, and the system has provided both before. */
export class MemoryCopy {
  readonly #from: Buffer;
  readonly #to: Buffer;

  constructor(readonly sizeBytes: number) {
    const allocated = Math.min(sizeBytes, 256 << 20);
    this.#from = Buffer.alloc(allocated, 1);
    this.#to = Buffer.alloc(allocated, 2);
  }

  /** Milliseconds. */
  run(): number {
    const begin = performance.now();
    for (let left = this.sizeBytes; left > 0; left -= this.#from.length) this.#from.copy(this.#to, 0, 0, left);
    return performance.now() - begin;
  }
}
