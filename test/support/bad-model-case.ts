/** What the three groups of bad models have in common. */
export interface BadModelCase {
  /** What is wrong, to be read after "a model with" or "a file with". */
  readonly title: string;
  readonly bytes: Uint8Array;
}
