/** What the program and the process under a failing system say to each other. */

import type { FaultCount, FaultPlan } from "./plan.js";

export interface InjectionRequest {
  readonly operation: string;
  readonly plan: FaultPlan;
}

/** What came of an operation, and how many calls counted and failed meanwhile. */
export type InjectionOutcome = FaultCount &
  (
    | { readonly kind: "done" }
    | { readonly kind: "refused"; readonly code: string }
    | { readonly kind: "wrong"; readonly error: string }
  );
