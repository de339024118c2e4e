/** How every failure is told. */

import { CommanderError } from "@commander-js/extra-typings";
import { exitCodes, QuietExit, UsageError } from "./exit.js";
import { flagOfParameter } from "./flags.js";
import { ownCommand } from "./shell-words.js";

/** What to do next, where a command does it. docs/errors.md has advice for every code. */
function adviceOf(code: string): string {
  if (code !== "ERR_MODEL_NOT_FOUND") return "";
  return `; \`${ownCommand()} suggest\` finds models, \`${ownCommand()} pull\` downloads them`;
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
  if (code !== "ERR_INVALID_ARGUMENT" || typeof parameter !== "string") {
    const told = `${withoutCode(error.message, code)}${adviceOf(code)}`;
    return { message: `overfill: ${told} (${code})`, exitCode: exitCodes.failure };
  }
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
