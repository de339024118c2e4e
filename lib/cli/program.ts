/** The command line as a whole: the commands, what `--help` says, and how every failure is told. */

import { createRequire } from "node:module";
import { Command, CommanderError } from "@commander-js/extra-typings";
import { addCreateCommand } from "./commands/create/flags.js";
import { addDoctorCommand } from "./commands/doctor/flags.js";
import { addEvalCommand } from "./commands/eval/flags.js";
import { addFitCommand } from "./commands/fit/flags.js";
import { addHealCommand } from "./commands/heal/flags.js";
import { addImportanceCommand } from "./commands/importance/flags.js";
import { addInspectCommand } from "./commands/inspect/flags.js";
import { addPadCommand } from "./commands/pad/flags.js";
import { addPruneCommand } from "./commands/prune/flags.js";
import { addRunCommand } from "./commands/run/flags.js";
import { exitCodes, QuietExit, UsageError } from "./exit.js";
import { flagOfParameter } from "./flags.js";
import { visibleLines } from "./visible.js";

/** Runs one command line (without node and script) and gives its exit status. Never rejects. */
export async function runProgram(args: readonly string[]): Promise<number> {
  // A reader that went away is told to the one who writes; without a listener it would end the process with a trace.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  try {
    await makeProgram().parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    const { message, exitCode } = describeFailure(error, args[0]);
    if (message !== "") process.stderr.write(`${visibleLines(message)}\n`);
    return exitCode;
  }
}

/** The commands, not run yet. Throws a CommanderError where commander would exit. */
export function makeProgram(): Command {
  const { version } = createRequire(import.meta.url)("../../package.json") as { version: string };
  const program = new Command("overfill")
    .description("Two-stage LLM inference: a full model reads the prompt, a small model writes the answer.")
    .version(version)
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  addRunCommand(program).action(async (flags) => (await import("./commands/run/run.js")).run(flags));
  addInspectCommand(program).action(async (prefill, decode, flags) =>
    (await import("./commands/inspect/run.js")).inspectFiles(prefill, decode, flags),
  );
  addFitCommand(program).action(async (flags) => (await import("./commands/fit/run.js")).runFit(flags));
  addPruneCommand(program).action(async (model, flags) =>
    (await import("./commands/prune/run.js")).runPrune(model, flags),
  );
  addImportanceCommand(program).action(async (model, flags) =>
    (await import("./commands/importance/run.js")).runImportance(model, flags),
  );
  addPadCommand(program).action(async (model, flags) => (await import("./commands/pad/run.js")).runPad(model, flags));
  addHealCommand(program).action(async (student, flags) =>
    (await import("./commands/heal/run.js")).runHeal(student, flags),
  );
  addCreateCommand(program).action(async (flags) => (await import("./commands/create/run.js")).runCreate(flags));
  addEvalCommand(program).action(async (flags) => (await import("./commands/eval/run.js")).runEval(flags));
  addDoctorCommand(program).action(async (flags) => (await import("./commands/doctor/run.js")).doctor(flags));
  return program;
}

/**
 * What to print on stderr, if anything, and the exit status.
 *
 * @param command the command that failed, by whose flags an option is named
 */
export function describeFailure(
  error: unknown,
  command?: string,
): { readonly message: string; readonly exitCode: number } {
  if (error instanceof QuietExit) return { message: "", exitCode: error.exitCode };
  if (error instanceof CommanderError) return describeCommanderError(error);
  if (error instanceof UsageError) return usage(error.message);
  if (!(error instanceof Error)) return { message: `overfill: ${String(error)}`, exitCode: exitCodes.failure };

  const { code, details } = error as { readonly code?: unknown; readonly details?: { readonly parameter?: unknown } };
  // A failure without a code is a fault of this program: the trace is what a report of it needs.
  if (typeof code !== "string") return { message: `overfill: ${error.stack ?? error}`, exitCode: exitCodes.failure };
  const parameter = details?.parameter;
  if (code !== "ERR_INVALID_ARGUMENT" || typeof parameter !== "string")
    return { message: `overfill: ${withoutCode(error.message, code)} (${code})`, exitCode: exitCodes.failure };
  return usage(`${error.message.replace(parameter, flagOfParameter(parameter, command))} (${code})`);
}

/** Node puts the code of a system error in front of its message. */
function withoutCode(message: string, code: string): string {
  return message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message;
}

function describeCommanderError(error: CommanderError): { readonly message: string; readonly exitCode: number } {
  if (error.exitCode === 0) return { message: "", exitCode: 0 };
  // No command was named: commander has printed the help.
  if (error.code === "commander.help") return { message: "", exitCode: exitCodes.usage };
  return usage(error.message.replace(/^error: /, ""));
}

function usage(message: string): { readonly message: string; readonly exitCode: number } {
  return { message: `overfill: ${message}`, exitCode: exitCodes.usage };
}
