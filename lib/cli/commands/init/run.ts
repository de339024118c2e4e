/** What `overfill init` does: asks for what no flag says, and writes the project. */

import { statSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { UsageError } from "../../exit.js";
import { listenForStop } from "../../stop-signals.js";
import { write } from "../../terminal.js";
import { visibleLines } from "../../visible.js";
import { type InitFlags, type Kind, kinds } from "./flags.js";
import { type ProjectOptions, writeProject } from "./project.js";
import { renderProject } from "./render.js";

export async function runInit(folder: string | undefined, flags: InitFlags): Promise<void> {
  const { signal, interrupt, release } = listenForStop();
  try {
    const asked = await complete(folder, flags, signal, interrupt);
    const project = await writeProject(asked);
    await write(process.stdout, `${visibleLines(renderProject(project))}\n`, signal);
  } finally {
    release();
  }
}

async function complete(
  folder: string | undefined,
  { kind, prefill, decode }: InitFlags,
  signal: AbortSignal,
  interrupt: () => void,
): Promise<ProjectOptions> {
  const canAsk = process.stdin.isTTY && process.stdout.isTTY;
  if (decode !== undefined && prefill === undefined) throw new UsageError("--decode needs --prefill");
  if (kind !== undefined && folder !== undefined && (prefill !== undefined || !canAsk))
    return { folder, kind, models: modelsOf(prefill, decode) };
  if (!canAsk) {
    const missing = kind === undefined ? `--kind, one of ${kinds.map(([name]) => name).join(", ")}` : "the folder";
    throw new UsageError(`nobody can be asked here: give ${missing}`);
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  terminal.on("SIGINT", interrupt);
  signal.addEventListener("abort", () => terminal.close());
  try {
    // As lines, which are kept where they come before their question does.
    const lines = terminal[Symbol.asyncIterator]();
    let isOpen = true;
    terminal.once("close", () => {
      isOpen = false;
    });
    const ask = async (question: string): Promise<string> => {
      terminal.setPrompt(question);
      // Node 24 refuses a prompt behind the end of the input, whose last lines may still be waiting.
      if (isOpen) terminal.prompt();
      const { value, done } = await lines.next();
      signal.throwIfAborted();
      if (done) throw new UsageError("nothing more was answered: nothing was written");
      return value;
    };
    const chosen = kind ?? (await askKind(ask));
    const place = folder ?? ((await ask("Folder (my-app): ")).trim() || "my-app");
    const reader = prefill ?? (await ask("GGUF file of the model that reads (empty: later): ")).trim();
    if (reader === "") return { folder: place, kind: chosen };
    const writer =
      decode ??
      (prefill === undefined ? (await ask("GGUF file of the model that writes (empty: the same): ")).trim() : "");
    return { folder: place, kind: chosen, models: modelsOf(reader, writer || undefined) };
  } finally {
    terminal.close();
  }
}

async function askKind(ask: (question: string) => Promise<string>): Promise<Kind> {
  for (const [index, [kind, what]] of kinds.entries())
    process.stdout.write(`${index + 1}  ${kind.padEnd(14)} ${what}\n`);
  for (;;) {
    const answer = (await ask("Kind (1): ")).trim() || "1";
    const found = kinds.find(([kind], index) => kind === answer || String(index + 1) === answer);
    if (found) return found[0];
  }
}

/** Absolute, since the project's folder is another one. */
function modelsOf(prefill: string | undefined, decode = prefill): ProjectOptions["models"] {
  if (prefill === undefined || decode === undefined) return undefined;
  for (const path of [prefill, decode])
    if (!statSync(path, { throwIfNoEntry: false })?.isFile()) throw new UsageError(`${path} is no file`);
  return { prefill: resolve(prefill), decode: resolve(decode) };
}
