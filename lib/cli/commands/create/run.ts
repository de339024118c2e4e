/** What `overfill create` does. */

import { createModel } from "../../../train/index.js";
import { listenForStop } from "../../stop-signals.js";
import { write } from "../../terminal.js";
import { type CreateFlags, toCreateOptions } from "./flags.js";
import { renderCreated } from "./render.js";

export async function runCreate(flags: CreateFlags): Promise<void> {
  const { signal, release } = listenForStop();
  try {
    const result = await createModel({ ...toCreateOptions(flags), signal });
    if (flags.quiet && !flags.json) return;
    const text = flags.json ? JSON.stringify(result, undefined, 2) : renderCreated(result);
    await write(process.stdout, `${text}\n`, signal);
  } finally {
    release();
  }
}
