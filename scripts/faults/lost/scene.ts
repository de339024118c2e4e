/** Two sides of a pair with a network between them, whatever they are: what can happen to them, and what they hold. */

import type { Held } from "./held.js";

/** What became of a question. */
export type Outcome =
  | { readonly kind: "right" }
  | { readonly kind: "wrong"; readonly error: string }
  | { readonly kind: "refused"; readonly code: string }
  /** Who asked is no more. */
  | { readonly kind: "gone" };

export interface Harm {
  readonly name: string;
  /** Does it at once, and gives what ends it after the question has. */
  begin(): () => void | Promise<void>;
}

export interface Scene {
  readonly harms: readonly Harm[];
  /** Asks something new, and compares the answer when the harm is over, by what it gives. */
  ask(): Promise<() => Promise<Outcome>>;
  /** Of each process that lives; rejects where one does not answer. Nothing is asked meanwhile. */
  held(): Promise<readonly Held[]>;
  close(): Promise<void>;
}

/** How long a side may owe an answer while nothing moves, and a connection may take, in milliseconds. */
export const patience = { stallTimeoutMs: 500, timeoutMs: 5_000 } as const;
