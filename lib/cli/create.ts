/** What `overfill create` does. */

import { createModel } from "../train/index.js";
import { type CreateFlags, toCreateOptions } from "./create-command.js";
import { renderCreated } from "./heal-tables.js";
import { listenForStop } from "./stop-signals.js";
import { write } from "./terminal.js";

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
