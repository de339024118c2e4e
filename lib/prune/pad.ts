/** Makes a model of odd widths quantisable without changing what it computes. */

import { fromCaller } from "../internal/caller-stack.js";
import { toPath } from "../internal/check-options.js";
import { chooseThreadsFor } from "../internal/computing.js";
import { loadBinding } from "../internal/load-binding.js";
import { runJob } from "./job.js";
import type { PadOptions } from "./options.js";
import { type PadResult, toPadResult } from "./results.js";
import { checkPadOptions } from "./validation.js";

/**
 * Brings hidden and feed-forward width up to a multiple with channels that are zero, and scales the norms so that the
 * model computes what it did. The paper's own checkpoints have a hidden width of 1689, which no quantised type can store;
 * padded to 1792 they can be quantised. Works off the JavaScript thread.
 *
 * Rejects with the codes of {@link prune} for the model and the file that is written, and with `signal.reason`.
 */
export async function pad(options: PadOptions): Promise<PadResult> {
  return fromCaller(() => runPad(options));
}

async function runPad(options: PadOptions): Promise<PadResult> {
  const checked = checkPadOptions(options);
  checked.signal?.throwIfAborted();
  const model = toPath(checked.model, "options.model");
  const native = {
    model,
    multiple: checked.multiple,
    output: {
      out: toPath(checked.out, "options.out"),
      type: checked.quantize,
      compensate: true,
      maxPartBytes: checked.maxPartBytes ?? 0,
      name: checked.name ?? "",
    },
    threads: chooseThreadsFor(model, checked.threads),
  };
  const binding = loadBinding();
  const work = { signal: checked.signal, onProgress: options.onProgress };
  return toPadResult(await runJob((onProgress) => binding.pad(native, onProgress), work));
}
