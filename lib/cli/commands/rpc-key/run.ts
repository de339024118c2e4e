/** What `overfill rpc-key` does. */

import { createError } from "../../../errors/create-error.js";
import { type Key, writeKey } from "../../../remote/key.js";
import { write } from "../../terminal.js";
import type { RpcKeyFlags } from "./flags.js";
import { renderKey } from "./render.js";

export async function runRpcKey({ out }: RpcKeyFlags): Promise<void> {
  let key: Key;
  try {
    key = writeKey(out);
  } catch (error) {
    throw createError("ERR_FILE_WRITE_FAILED", `the key cannot be written: ${(error as Error).message}`, { path: out });
  }
  await write(process.stderr, renderKey(out, key.name));
}
