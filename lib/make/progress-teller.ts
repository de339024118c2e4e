/** Tells how far the work has come, over all of its steps. */

import { remainingAfter } from "./estimates.js";
import type { MakeProgress, MakeStep } from "./options.js";
import type { EstimatedStep } from "./results.js";

export interface StepNews {
  readonly fraction: number;
  readonly detail?: string;
  readonly loss?: number;
}

export class ProgressTeller {
  #steps: readonly EstimatedStep[] = [];
  #step: MakeStep = "measuring";
  #begin: { readonly fraction: number; readonly at: number } | undefined;

  constructor(
    readonly onProgress: ((progress: MakeProgress) => void) | undefined,
    readonly signal: AbortSignal | undefined,
  ) {}

  /** What there is to do behind the measuring, as it is known by now. */
  expect(steps: readonly EstimatedStep[]): void {
    this.#steps = steps;
  }

  begin(step: MakeStep): void {
    this.#step = step;
    this.#begin = undefined;
    this.tell({ fraction: 0 });
  }

  /** Throws the signal's reason, and what the callback throws. */
  tell({ fraction, detail = "", loss }: StepNews): void {
    this.signal?.throwIfAborted();
    const names = ["measuring", ...this.#steps.map(({ step }) => step)];
    const remainingMs = this.#remaining(fraction);
    this.onProgress?.({
      step: this.#step,
      index: 1 + Math.max(0, names.indexOf(this.#step)),
      steps: names.length,
      fraction,
      detail,
      ...(loss !== undefined && { loss }),
      ...(remainingMs !== undefined && { remainingMs }),
    });
  }

  #remaining(fraction: number): number | undefined {
    if (this.#step === "measuring") return undefined;
    const at = performance.now();
    // A step that goes on begins where it was.
    this.#begin ??= { fraction, at };
    const done = fraction - this.#begin.fraction;
    const estimated = this.#steps.find(({ step }) => step === this.#step)?.ms ?? 0;
    const ofStep = done > 0.01 ? ((at - this.#begin.at) / done) * (1 - fraction) : estimated * (1 - fraction);
    return ofStep + remainingAfter(this.#steps, this.#step);
  }
}
