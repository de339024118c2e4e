/**
 * The answer of a prefill server, `application/vnd.overfill.cells`: frames, one after the other. Numbers are little end first.
 *
 *   0   4 bytes  "OFC1"
 *   4   u8       kind: 1 begin, 2 cells, 3 logits, 4 alive, 5 end, 6 failed
 *   5   3 bytes  0
 *   8   u32      tokens that cells are of; 0 otherwise
 *   12  u32      bytes of the content, which follows the head
 *   16  u64      of cells: their XXH3; of all else: the first 8 bytes of the content's SHA-256
 *
 * `begin` comes first and says what the cells are of (JSON, {@link BeginContent}), so that an answer to another question is
 * noticed. Cells follow in the order of their tokens, each with the rows of K and V of all layers as the cache has them
 * (native/llama/kv_rows.h), then the logits of the token after the text (f32), and `end`. `alive` says nothing but that. `failed`
 * (JSON, {@link FailedContent}) ends an answer that went wrong after it had begun.
 */

import { createHash } from "node:crypto";

export const cellsType = "application/vnd.overfill.cells";
/** Of the whole exchange: questions and answers. */
export const cellsVersion = 1;

export const kinds = { begin: 1, cells: 2, logits: 3, alive: 4, end: 5, failed: 6 } as const;
export type FrameKind = keyof typeof kinds;

const mark = Buffer.from("OFC1");
export const headBytes = 24;
/** A frame with more is none. */
const mostBytes = 64 * 2 ** 20;
const mostParts = 4096;
/** The same of what is not cells or logits. */
const mostTextBytes = 64 * 2 ** 10;

export interface BeginContent {
  readonly version: number;
  /** As in the question. */
  readonly nonce: string;
  /** {@link textDigest} of all tokens. */
  readonly text: string;
  readonly from: number;
  readonly bytesPerToken: number;
}

export interface FailedContent {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

export interface Frame {
  readonly kind: FrameKind;
  readonly nTokens: number;
  /** 16 hexadecimal digits. */
  readonly hash: string;
  readonly content: Buffer;
}

/** What was sent is no such answer. */
export class FrameFault extends Error {}

const sha256 = (...parts: readonly (string | Uint8Array)[]) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** Tells texts apart. */
export const textDigest = (tokens: Int32Array) =>
  sha256(new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength)).toString("hex");

/** Tells what cells depend on apart. */
export const factsDigest = (facts: Readonly<Record<string, string>>) =>
  sha256(JSON.stringify(Object.entries(facts).toSorted(([a], [b]) => (a < b ? -1 : 1)))).toString("hex");

const shortHash = (content: Uint8Array) => sha256(content).subarray(0, 8).toString("hex");

function headOf(kind: FrameKind, nTokens: number, nBytes: number, hash: string): Buffer {
  const head = Buffer.alloc(headBytes);
  mark.copy(head);
  head.writeUInt8(kinds[kind], 4);
  head.writeUInt32LE(nTokens, 8);
  head.writeUInt32LE(nBytes, 12);
  head.write(hash, 16, "hex");
  return head;
}

/** A frame of what is not cells. */
export function frame(kind: Exclude<FrameKind, "cells">, content: object | Float32Array | undefined): Uint8Array {
  const bytes =
    content === undefined
      ? Buffer.alloc(0)
      : content instanceof Float32Array
        ? Buffer.from(content.buffer, content.byteOffset, content.byteLength)
        : Buffer.from(JSON.stringify(content));
  return Buffer.concat([headOf(kind, 0, bytes.length, shortHash(bytes)), bytes]);
}

/** The head of a frame whose content, the rows, is sent behind it. */
export const cellsHead = (nTokens: number, rows: Uint8Array, hash: string): Uint8Array =>
  headOf("cells", nTokens, rows.byteLength, hash);

const kindOf = (number: number) =>
  (Object.keys(kinds) as FrameKind[]).find((kind) => kinds[kind] === number) as FrameKind | undefined;

/** Puts frames together from whatever pieces they come in. */
export class FrameReader {
  readonly #parts: Buffer[] = [];
  #size = 0;
  #head: (Omit<Frame, "content"> & { readonly nBytes: number }) | undefined;

  /** Whether nothing is left of a frame that has begun. */
  get isBetween(): boolean {
    return this.#size === 0 && this.#head === undefined;
  }

  /** The frames that this completes. Throws {@link FrameFault}; nothing more can be read then. */
  *push(piece: Buffer): Generator<Frame, void> {
    this.#parts.push(piece);
    this.#size += piece.length;
    // Of a server that sends byte by byte, the pieces would take more than what is in them.
    if (this.#parts.length > mostParts) this.#parts.splice(0, this.#parts.length, Buffer.concat(this.#parts));
    for (;;) {
      if (!this.#head) {
        if (this.#size < headBytes) return;
        this.#head = this.#readHead(this.#take(headBytes));
      }
      const { nBytes, ...head } = this.#head;
      if (this.#size < nBytes) return;
      const content = this.#take(nBytes);
      this.#head = undefined;
      if (head.kind !== "cells" && shortHash(content) !== head.hash) throw new FrameFault("a frame was damaged");
      yield { ...head, content };
    }
  }

  #readHead(bytes: Buffer) {
    const kind = kindOf(bytes.readUInt8(4));
    if (!bytes.subarray(0, 4).equals(mark) || !kind || bytes.readUIntLE(5, 3) !== 0)
      throw new FrameFault("what came is no frame of cells");
    const nTokens = bytes.readUInt32LE(8);
    const nBytes = bytes.readUInt32LE(12);
    if (kind !== "cells" && nTokens !== 0) throw new FrameFault("tokens where there are none");
    if (nBytes > (kind === "cells" || kind === "logits" ? mostBytes : mostTextBytes))
      throw new FrameFault(`a frame of ${nBytes} bytes`);
    return { kind, nTokens, nBytes, hash: bytes.toString("hex", 16, 24) };
  }

  #take(n: number): Buffer {
    const taken: Buffer[] = [];
    let left = n;
    while (left > 0) {
      const first = this.#parts[0] as Buffer;
      taken.push(first.subarray(0, left));
      if (first.length > left) this.#parts[0] = first.subarray(left);
      else this.#parts.shift();
      left -= Math.min(left, first.length);
    }
    this.#size -= n;
    return taken.length === 1 ? (taken[0] as Buffer) : Buffer.concat(taken, n);
  }
}

/** Content that is JSON, as an object. Throws {@link FrameFault}. */
export function jsonOf(content: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(content.toString("utf8"));
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {}
  throw new FrameFault("a frame's content is no JSON");
}
