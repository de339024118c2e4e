/** What a run of answers consists of, so that another one goes on only with what it would have written itself. */

import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import type { Pair } from "../../engine/index.js";
import { createError } from "../../errors/create-error.js";
import { toPath } from "../../internal/check-options.js";
import { unreadable } from "../../internal/file-faults.js";
import type { AnswerFacts } from "./answer-file.js";
import type { NumberedPrompt } from "./prompts.js";
import type { CheckedAnswerOptions } from "./validation.js";

/** At the beginning of a file are its metadata, at its end weights. */
const lookedAtBytes = 2 ** 20;

/** Rejects with ERR_FILE_READ_FAILED. */
export async function factsOf(
  checked: CheckedAnswerOptions,
  { info }: Pick<Pair, "info">,
  prompts: readonly NumberedPrompt[],
): Promise<AnswerFacts> {
  const { model, answers, maxTokens, temperature, topK, topP, minP, stop, seed } = checked;
  const { keepCut, keepDuplicates, similarity, deterministic } = checked;
  const adapters = info.prefill.adapters.map(({ path, scale }) => ({ path, scale }));
  return {
    model: await markOf(toPath(model.model, "options.model")),
    ...(adapters.length > 0 && { adapters }),
    data: hashed(JSON.stringify(prompts.map(({ asked }) => asked))),
    ...{ answers, maxTokens, temperature, topK, topP, minP, stop, seed },
    ...{ keepCut, keepDuplicates, similarity, deterministic, contextSize: info.contextSize },
  };
}

const hashed = (data: string | Buffer) => createHash("sha256").update(data).digest("hex");

/** Of a file's size, beginning and end: reading all of a model would take as long as loading it. */
async function markOf(path: string): Promise<string> {
  try {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      const piece = Buffer.alloc(Math.min(size, lookedAtBytes));
      const beginning = hashed((await file.read(piece, 0, piece.length, 0)).buffer);
      const end = hashed((await file.read(piece, 0, piece.length, size - piece.length)).buffer);
      return hashed(`${size} ${beginning} ${end}`);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw createError("ERR_FILE_READ_FAILED", unreadable(path, error), { path }, error);
  }
}
