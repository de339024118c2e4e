/** Copies a file through memory and brings the copy to the disk: what writing so many bytes costs at least. */

import { open } from "node:fs/promises";

const pieceBytes = 8 << 20;

/** Milliseconds. Not `copyFile`, which may let the file system share the blocks and copy nothing. */
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
