/** How fast a row is, over all answers that it wrote. */

import type { GenerateResult } from "../engine/index.js";
import type { RowSpeed } from "./report.js";
import type { EvaluatedRow } from "./rows.js";

export class SpeedMeter {
  #promptTokens = 0;
  #prefillMs = 0;
  #writtenTokens = 0;
  #decodeMs = 0;

  add({ prefill, decode }: Pick<GenerateResult, "prefill" | "decode">, row: EvaluatedRow): void {
    this.#promptTokens += prefill.promptTokens;
    this.#prefillMs += prefill.ms;
    this.#writtenTokens += writtenTokens(decode, row);
    this.#decodeMs += decode.ms;
  }

  /** Undefined: there was nothing to measure. */
  get speed(): RowSpeed | undefined {
    if (this.#promptTokens === 0) return undefined;
    return {
      promptTokens: this.#promptTokens,
      prefillTokensPerSecond: perSecond(this.#promptTokens, this.#prefillMs),
      writtenTokens: this.#writtenTokens,
      decodeTokensPerSecond: perSecond(this.#writtenTokens, this.#decodeMs),
    };
  }
}

function writtenTokens(decode: GenerateResult["decode"], row: EvaluatedRow): number {
  if (decode.verification) return decode.tokens;
  // A token behind a refresh is the prefill model's. It takes no step of the decode model, but time; where the decode model's
  // doubt brought the refresh, it has taken that step before.
  return decode.decodeSteps + (typeof row === "object" && "refreshBudget" in row ? 0 : decode.refreshes);
}

/** 0 where no time has passed. */
const perSecond = (count: number, ms: number) => (ms > 0 ? (1000 * count) / ms : 0);
