/**
 * What of ggml's RPC protocol is looked at here: the greeting, the number of devices, and where messages begin and end.
 * Numbers are little-endian.
 *
 *   request:  command (1 byte) | size (8 bytes) | data
 *   answer:   size (8 bytes) | data; some commands have none
 *
 * The first command of a connection is HELLO, whose request is 24 bytes of capabilities (zeros: plain TCP) and whose
 * answer is major, minor, patch, a byte, and 24 bytes of capabilities.
 */

/** Of llama.cpp v0.5.0. The patch counts ggml's operations, so another one would compute something else in silence. */
export const protocolVersion = "7.0.0";

const hello = 14;
const deviceCount = 15;
const capabilitiesBytes = 24;
export const helloAnswerBytes = 8 + 4 + capabilitiesBytes;
export const deviceCountAnswerBytes = 8 + 4;

/** Commands that nothing comes back from: FREE_BUFFER, BUFFER_CLEAR, SET_TENSOR, GRAPH_COMPUTE, INIT_TENSOR, GRAPH_RECOMPUTE, MEMSET_TENSOR. */
const withoutAnswer = new Set([4, 5, 6, 10, 12, 16, 17]);

function request(command: number, dataBytes: number): Buffer {
  const message = Buffer.alloc(9 + dataBytes);
  message[0] = command;
  message.writeBigUInt64LE(BigInt(dataBytes), 1);
  return message;
}

export const helloRequest = () => request(hello, capabilitiesBytes);
export const deviceCountRequest = () => request(deviceCount, 0);

/** The version in the answer to HELLO; undefined if it is none. */
export function versionOf(answer: Buffer): string | undefined {
  if (answer.readBigUInt64LE(0) !== BigInt(helloAnswerBytes - 8)) return undefined;
  return `${answer[8]}.${answer[9]}.${answer[10]}`;
}

/** The number in the answer to DEVICE_COUNT; undefined if it is none. */
export function devicesOf(answer: Buffer): number | undefined {
  return answer.readBigUInt64LE(0) === BigInt(deviceCountAnswerBytes - 8) ? answer.readUInt32LE(8) : undefined;
}

/** Follows one direction of a connection, in pieces of any size, and tells of each message when its head is complete. */
export class MessageCounter {
  readonly #headBytes: number;
  readonly #onHead: (head: Buffer) => void;
  readonly #head: Buffer;
  #nHead = 0;
  #left = 0;

  /** `headBytes`: 9 of requests, 8 of answers; the size is what it ends with. */
  constructor(headBytes: 8 | 9, onHead: (head: Buffer) => void) {
    this.#headBytes = headBytes;
    this.#onHead = onHead;
    this.#head = Buffer.alloc(headBytes);
  }

  take(piece: Buffer): void {
    let at = 0;
    while (at < piece.length) {
      if (this.#left > 0) {
        const n = Math.min(this.#left, piece.length - at);
        this.#left -= n;
        at += n;
        continue;
      }
      const n = Math.min(this.#headBytes - this.#nHead, piece.length - at);
      piece.copy(this.#head, this.#nHead, at, at + n);
      this.#nHead += n;
      at += n;
      if (this.#nHead < this.#headBytes) return;
      this.#nHead = 0;
      this.#left = Number(this.#head.readBigUInt64LE(this.#headBytes - 8));
      this.#onHead(this.#head);
    }
  }

  /** Whether the last message is not complete. */
  get isWithin(): boolean {
    return this.#left > 0 || this.#nHead > 0;
  }
}

/** Counts the answers that a server owes. */
export class Owed {
  #n = 0;
  readonly #requests = new MessageCounter(9, (head) => {
    if (!withoutAnswer.has(head[0] ?? 0)) this.#n++;
  });
  readonly #answers = new MessageCounter(8, () => {
    this.#n--;
  });

  asked(piece: Buffer): void {
    this.#requests.take(piece);
  }

  answered(piece: Buffer): void {
    this.#answers.take(piece);
  }

  get isOwing(): boolean {
    return this.#n > 0 || this.#answers.isWithin;
  }
}
