/** A line of a data file that was skipped. */
export interface BadLine {
  readonly path: string;
  /** From 1. */
  readonly line: number;
  readonly reason: string;
}
