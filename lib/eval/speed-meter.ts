/** How fast a row is, over all answers that it wrote. */

import type { GenerateResult } from "../engine/index.js";
import type { RowSpeed } from "./report.js";

export class SpeedMeter {
  #promptTokens = 0;
  #prefillMs = 0;
  #writtenTokens = 0;
  #decodeMs = 0;

  add({ prefill, decode }: Pick<GenerateResult, "prefill" | "decode">): void {
    this.#promptTokens += prefill.promptTokens;
    this.#prefillMs += prefill.ms;
    // A token behind a refresh is the prefill model's: it takes no step of the decode model, but time.
    this.#writtenTokens += decode.decodeSteps + decode.refreshes;
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

/** 0 where no time has passed. */
const perSecond = (count: number, ms: number) => (ms > 0 ? (1000 * count) / ms : 0);
