/** What `overfill create` does. */

import { createModel } from "../../../train/index.js";
import { graceOfFiles, listenForStop } from "../../stop-signals.js";
import { write } from "../../terminal.js";
import { toJson, visible } from "../../visible.js";
import { type CreateFlags, toCreateOptions } from "./flags.js";
import { renderCreated } from "./render.js";

export async function runCreate(flags: CreateFlags): Promise<void> {
  const { signal, release } = listenForStop({ graceMs: graceOfFiles });
  try {
    const result = await createModel({ ...toCreateOptions(flags), signal });
    if (flags.quiet && !flags.json) return;
    const text = flags.json ? toJson(result, 2) : renderCreated(visible(result));
    await write(process.stdout, `${text}\n`, signal);
  } finally {
    release();
  }
}
