/** What `overfill run` does: looks at everything that can be refused without a model, finds the prompt, answers it. */

import { demoPair } from "../../../engine/index.js";
import { checkDecodeOptions } from "../../../engine/validation.js";
import { UsageError } from "../../exit.js";
import { toLoadOptions } from "../../pair-flags.js";
import { Progress } from "../../progress.js";
import { readPrompt, readTextFile } from "../../prompt-source.js";
import { listenForStop } from "../../stop-signals.js";
import { answer } from "./answer.js";
import { runDemo } from "./demo.js";
import { type RunFlags, toDecodeOptions } from "./flags.js";

/** How long the demo waits for a prompt from a pipe. */
const silenceMs = 1000;

export async function run(flags: RunFlags): Promise<void> {
  const isDemo = flags.prefill === undefined;
  if (isDemo && flags.decode !== undefined)
    throw new UsageError("--decode needs --prefill: name the model that reads the prompt");
  const { signal, release } = listenForStop();
  try {
    const grammar = flags.grammarFile === undefined ? undefined : await readTextFile(flags.grammarFile, signal);
    const load = toLoadOptions(flags, demoPair);
    const decode = { ...toDecodeOptions(flags), ...(grammar !== undefined && { grammar }) };
    checkDecodeOptions(decode);
    const prompt = await readPrompt(flags, { signal, ...(isDemo && { silenceMs }) });
    const json = flags.json === true;
    const quiet = flags.quiet === true;
    if (prompt !== undefined) {
      const progress = await Progress.open(flags.progress && !quiet);
      await answer({ load, decode, prompt, progress, signal, json, quiet });
    } else if (isDemo) await runDemo({ load, decode, signal, json });
    else throw new UsageError("no prompt: give one with -p TEXT or -f FILE, or pipe it in");
  } finally {
    release();
  }
}
