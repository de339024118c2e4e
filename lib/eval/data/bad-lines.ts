/** The lines that are skipped: each is told, and there may be only so many. */

import { createError } from "../../errors/create-error.js";
import type { BadLine } from "../../internal/bad-line.js";

export class BadLines {
  readonly #lines: BadLine[] = [];

  /**
   * @param most how many may be skipped
   * @param onBadLine called for each of them
   */
  constructor(
    readonly path: string,
    readonly most: number,
    readonly onBadLine: ((line: BadLine) => void) | undefined,
  ) {}

  get all(): readonly BadLine[] {
    return this.#lines;
  }

  /**
   * Throws ERR_DATA_INVALID for one too many, with its `path` and `line`.
   *
   * @param path of another file than the data's
   */
  add(line: number, reason: string, path = this.path): void {
    const bad = { path, line, reason };
    this.#lines.push(bad);
    this.onBadLine?.(bad);
    if (this.#lines.length <= this.most) return;
    const many = this.most === 0 ? "" : `, after ${this.most} other bad lines`;
    throw createError("ERR_DATA_INVALID", `${path}:${line}: ${reason}${many}`, { path, line, reason });
  }
}
