/** What `overfill create` made. */

import type { CreateModelResult } from "../../../train/index.js";
import { formatBytes, formatCount } from "../../number-format.js";
import { quoted } from "../../shell-words.js";

export function renderCreated({ path, parameters, sizeBytes }: CreateModelResult): string {
  return [
    `${path}: ${formatCount(parameters)} parameters with random values, ${formatBytes(sizeBytes)}`,
    `Next: overfill heal ${quoted(path)} --mode full --data FILE -o FILE trains it.`,
  ].join("\n");
}
