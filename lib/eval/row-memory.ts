/** What a pair needs to be loaded. */

import type { Pair } from "../engine/index.js";
import type { RowMemory } from "./report.js";

/** One model twice lies in memory once. */
export function memoryOf({ info }: Pair): RowMemory {
  const decodeBytes = info.plan.oneFile ? 0 : info.decode.sizeBytes;
  return { weightBytes: info.prefill.sizeBytes + decodeBytes, kvBytes: info.kvBytes };
}
