/** What the program says to the processes of a reader and a writer, and what they answer. */

import type { Held } from "./held.js";

export interface LostRequest {
  /** `read`: the reader's own answer to a prompt; `write`: the writer's; `held`: what the process holds. */
  readonly what: "read" | "write" | "held";
  /** Of the prompt. */
  readonly seed?: number;
}

export type LostAnswer =
  | { readonly kind: "ready"; readonly port: number }
  | { readonly kind: "answer"; readonly tokens: string }
  | { readonly kind: "refused"; readonly code: string }
  | { readonly kind: "no code"; readonly error: string }
  | { readonly kind: "held"; readonly held: Held };

const nPrompt = 450;
/** Room for a prompt and its answer. */
export const contextSize = 512;
/** So that reading a prompt takes many of them. */
export const batchSize = 16;
export const nAnswer = 8;

/** Another one for each seed, from the first token on. */
export const promptOf = (seed: number): number[] =>
  Array.from({ length: nPrompt }, (_, i) => 40 + ((i * 37 + seed * 11 + ((i * seed) % 13)) % 160));
