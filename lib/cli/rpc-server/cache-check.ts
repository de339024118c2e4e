/**
 * The cache of llama.cpp's RPC server: a folder with a tensor in each file, named by the FNV-1a hash of its bytes. The server
 * believes the name, so a file that was cut (a process killed while it wrote, a full disk) would be taken for the weights.
 * Files that have changed since they were last read are read again here, and removed where they are not what they are called.
 */

import type { BigIntStats } from "node:fs";
import { open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** What ggml calls a file. */
const hashName = /^[0-9a-f]{16}$/;
/** Sizes and times of the files that were found right. */
const noteName = "overfill-verified.json";
/** Between two pieces whatever else this process does has its turn. */
const pieceBytes = 1024 * 1024;

/** FNV-1a of 64 bits, in two halves: the prime is 2^40 + 435. */
export class Fnv1a {
  #high = 0xcbf29ce4;
  #low = 0x84222325;

  add(bytes: Uint8Array): void {
    let high = this.#high;
    let low = this.#low;
    for (let i = 0; i < bytes.length; i++) {
      low ^= bytes[i] as number;
      const first = (low & 0xffff) * 435;
      const second = (low >>> 16) * 435 + (first >>> 16);
      high = (Math.imul(high, 435) + (second >>> 16) + (low << 8)) | 0;
      low = (second << 16) | (first & 0xffff);
    }
    this.#high = high;
    this.#low = low;
  }

  /** As ggml writes it. */
  get hex(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  }
}

async function hashOf(path: string, signal: AbortSignal): Promise<string> {
  const hash = new Fnv1a();
  const buffer = Buffer.allocUnsafe(pieceBytes);
  const file = await open(path);
  try {
    while (true) {
      signal.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, pieceBytes, null);
      if (bytesRead === 0) return hash.hex;
      hash.add(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

/** What differs in a file that was written to. */
const stateOf = ({ size, mtimeNs }: BigIntStats) => `${size} ${mtimeNs}`;

async function readNote(path: string): Promise<ReadonlyMap<string, unknown>> {
  try {
    const note: unknown = JSON.parse(await readFile(path, "utf8"));
    return new Map(typeof note === "object" && note !== null ? Object.entries(note) : []);
  } catch {
    // None yet, or one that was cut: all is read again.
    return new Map();
  }
}

/**
 * Removes what is not what it is called, while no server uses the folder. Rejects with what the system says where a file
 * can be neither read nor removed, and with the signal's reason.
 *
 * @returns the names of the files that were removed
 */
export async function verifyCache(folder: string, signal: AbortSignal): Promise<readonly string[]> {
  const notePath = join(folder, noteName);
  const known = await readNote(notePath);
  const right: Record<string, string> = {};
  const removed: string[] = [];
  for (const name of (await readdir(folder)).filter((found) => hashName.test(found))) {
    signal.throwIfAborted();
    const path = join(folder, name);
    const state = stateOf(await stat(path, { bigint: true }));
    if (known.get(name) === state || (await hashOf(path, signal)) === name) right[name] = state;
    else {
      await rm(path);
      removed.push(name);
    }
  }
  const fresh = `${notePath}.${process.pid}`;
  try {
    await writeFile(fresh, JSON.stringify(right), { mode: 0o600 });
    await rename(fresh, notePath);
  } catch {
    // A full disk: the next start reads again what the note before does not tell of.
    await rm(fresh, { force: true });
  }
  return removed;
}
