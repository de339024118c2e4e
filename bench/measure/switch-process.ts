/** The process of {@link measureSwitch}: one session that grows from size to size. */

import { loadPair } from "../../lib/index.js";
import { serve } from "../child-process.js";

export interface SwitchRequest {
  readonly prefill: string;
  readonly decode: string;
  readonly threads: number;
  /** Tokens of prompt to switch at, ascending. */
  readonly sizes: readonly number[];
  /** Switches at each size; the prompt grows by a token before each. */
  readonly repeats: number;
  readonly tokens: readonly number[];
}

export interface SwitchTiming {
  readonly nTokens: number;
  readonly bytes: number;
  /** As the caller sees it, one value a repeat. */
  readonly ms: readonly number[];
  /** As the report tells it. */
  readonly nativeMs: readonly number[];
}

serve<SwitchRequest, SwitchTiming[]>(async ({ prefill, decode, threads, sizes, repeats, tokens }) => {
  await using pair = await loadPair({
    prefill: { model: prefill },
    decode: { model: decode },
    contextSize: tokens.length,
    handover: "share",
    threads,
    gpu: false,
  });
  await using session = await pair.createSession();
  const timings: SwitchTiming[] = [];
  let nRead = 0;
  for (const size of sizes) {
    const ms: number[] = [];
    const nativeMs: number[] = [];
    await session.prefill(tokens.slice(nRead, size - repeats));
    for (nRead = size - repeats; nRead < size; nRead++) {
      await session.prefill(tokens.slice(nRead, nRead + 1));
      const begin = performance.now();
      const report = await session.switch();
      ms.push(performance.now() - begin);
      nativeMs.push(report.ms);
      if (nRead + 1 === size) timings.push({ nTokens: size, bytes: report.bytes, ms, nativeMs });
    }
  }
  return timings;
});
