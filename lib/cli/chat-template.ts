/** Which template is put around messages. */

import type { ChatFlags } from "./chat-flags.js";
import { isDemo } from "./prefill-flags.js";
import { readTextFile } from "./prompt-source.js";

/** The option `template` of a chat, absent for the model's own. Reads the file that is named. */
export async function readTemplate(
  { template, ...flags }: Pick<ChatFlags, "template"> & { readonly prefill?: string; readonly prefillUrl?: string },
  signal: AbortSignal,
): Promise<{ readonly template?: string }> {
  if (template !== undefined && template !== "chatml") return { template: await readTextFile(template, signal) };
  // The demo pair has none: it was not trained to chat.
  return template === undefined && !isDemo(flags) ? {} : { template: "chatml" };
}
