/** What `overfill quantize` does: quantises with a progress bar, and tells what became of the tensors. */

import { quantizationTypes, quantize } from "../../../prune/index.js";
import { write } from "../../terminal.js";
import { toJson, visibleText } from "../../visible.js";
import { runWork } from "../../work.js";
import { type QuantizeFlags, toQuantizeOptions } from "./flags.js";
import { renderQuantized, renderTypes } from "./render.js";

export async function runQuantize(
  model: string | undefined,
  type: string | undefined,
  flags: QuantizeFlags,
): Promise<void> {
  if (flags.types) return listTypes(flags);
  const options = toQuantizeOptions(model, type, flags);
  await runWork(
    flags,
    (watch) => quantize({ ...options, ...watch }),
    (result) => renderQuantized(result, visibleText(String(options.model))),
  );
}

async function listTypes({ json }: QuantizeFlags): Promise<void> {
  const rows = quantizationTypes();
  await write(process.stdout, `${json ? toJson(rows, 2) : renderTypes(rows)}\n`);
}
