/** What the program and the processes that read mutants say to each other. */

/** Read the mutant of this format that these two numbers give. */
export interface ReadRequest {
  readonly format: string;
  readonly seed: number;
  readonly index: number;
}

/** What came of it: a code, or what was done with a file that was taken; or what should not have happened. */
export type ReadOutcome =
  | { readonly kind: "refused"; readonly code: string }
  | { readonly kind: "taken"; readonly told: string }
  | { readonly kind: "wrong"; readonly error: string };

/** The seed of one mutant's random numbers: those of one format are not those of another. */
export const mutantName = ({ format, seed, index }: ReadRequest): string => `${format}-${seed}-${index}`;
