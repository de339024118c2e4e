/** The folder of a stranger's app, with two models under the names that the documentation uses. */

import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";
import { template } from "../chat/fixtures.js";
import { text } from "./gguf-format.js";
import { withTempDir } from "./temp-dir.js";
import { writeTinyModel } from "./tiny-model.js";

const models = fileURLToPath(new URL("../../models/", import.meta.url));

/** Without the lines about reasoning, in which a model that writes at random may lose itself before any object. */
const plainTemplate = template
  .split("\n")
  .filter((line) => !line.includes("think"))
  .join("\n");

/** Models that have a chat template, and write at random. */
export async function folderWithChatModels(t: ExecutionContext): Promise<string> {
  const folder = withTempDir(t);
  const metadata = { "tokenizer.chat_template": text(plainTemplate) };
  await writeTinyModel(join(folder, "full.gguf"), { contextLength: 4096, metadata });
  await writeTinyModel(join(folder, "small.gguf"), { seed: 2, nEmbd: 32, nFf: 64, contextLength: 4096 });
  return folder;
}

/** The demo pair, which answers questions about stories. */
export function folderWithDemoPair(t: ExecutionContext): string {
  const folder = withTempDir(t);
  copyFileSync(join(models, "demo-prefill.gguf"), join(folder, "full.gguf"));
  copyFileSync(join(models, "demo-decode.gguf"), join(folder, "small.gguf"));
  return folder;
}
