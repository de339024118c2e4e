/** Plain copies of a file, through memory of the size of one piece: what moving so many bytes costs at least. */

import { closeSync, openSync, readSync } from "node:fs";
import { open, rename } from "node:fs/promises";

const pieceBytes = 8 << 20;

/** Brings the copy to the disk. Milliseconds. Not `copyFile`, which may let the file system share the blocks and copy nothing. */
export async function copyToDisk(from: string, to: string): Promise<number> {
  const begin = performance.now();
  const source = await open(from, "r");
  const target = await open(to, "w");
  try {
    const piece = Buffer.allocUnsafe(pieceBytes);
    for (;;) {
      const { bytesRead } = await source.read(piece);
      if (bytesRead === 0) break;
      await target.writeFile(piece.subarray(0, bytesRead));
    }
    await target.sync();
  } finally {
    await source.close();
    await target.close();
  }
  return performance.now() - begin;
}

/**
 * The same into a new file, which then takes the name: as whoever must leave the old file or the new one has to. That is slower
 * than {@link copyToDisk} over an earlier copy where the system has to find memory for a second file's pages.
 */
export async function copyAndReplace(from: string, to: string): Promise<number> {
  const begin = performance.now();
  await copyToDisk(from, `${to}.part`);
  await rename(`${to}.part`, to);
  return performance.now() - begin;
}

/** Reads a file and keeps nothing of it: the one piece of memory stays in the processor's caches. Milliseconds. */
export function readThrough(file: string): number {
  const begin = performance.now();
  const descriptor = openSync(file, "r");
  const piece = Buffer.allocUnsafe(1 << 20);
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
