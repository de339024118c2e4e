/** Makes a model with random weights, to be trained from scratch. */

import { runJob } from "../internal/abortable.js";
import { fromCaller } from "../internal/caller-stack.js";
import { toPath } from "../internal/check-options.js";
import { loadBinding } from "../internal/load-binding.js";
import { toNativeNewModelOptions } from "./native-options.js";
import type { CreateModelOptions } from "./options.js";
import type { CreateModelResult } from "./results.js";
import { checkCreateModelOptions } from "./validation.js";

/**
 * Writes a model of the llama architecture with random weights and the tokenizer of another: what {@link heal} in mode
 * `"full"` trains from scratch. Equal options give an equal file. Works off the JavaScript thread.
 *
 * Rejects with
 * - ERR_INVALID_ARGUMENT for an option out of range or a shape that no such model can have;
 * - ERR_MODEL_NOT_FOUND, ERR_MODEL_NOT_A_FILE, ERR_MODEL_INVALID or ERR_MODEL_UNSUPPORTED for the tokenizer's file;
 * - ERR_FILE_WRITE_FAILED for what is written, and the loader's codes;
 * - `signal.reason` when aborted; nothing is left of the file then.
 */
export async function createModel(options: CreateModelOptions): Promise<CreateModelResult> {
  return fromCaller(() => writeModel(options));
}

async function writeModel(options: CreateModelOptions): Promise<CreateModelResult> {
  const checked = checkCreateModelOptions(options);
  checked.signal?.throwIfAborted();
  const files = { out: toPath(checked.out, "options.out"), tokenizer: toPath(checked.tokenizer, "options.tokenizer") };
  const native = toNativeNewModelOptions(checked, files);
  const { parameters, sizeBytes } = await runJob(() => loadBinding().createModel(native), checked.signal);
  return { path: files.out, parameters, sizeBytes };
}
