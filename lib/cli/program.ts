/** The command line as a whole: the commands, and what `--help` says. */

import { createRequire } from "node:module";
import { Command } from "@commander-js/extra-typings";
import { addAnswerCommand } from "./commands/answer/flags.js";
import { addBenchCommand } from "./commands/bench/flags.js";
import { addChatCommand } from "./commands/chat/flags.js";
import { addCreateCommand } from "./commands/create/flags.js";
import { addDoctorCommand } from "./commands/doctor/flags.js";
import { addEvalCommand } from "./commands/eval/flags.js";
import { addFitCommand } from "./commands/fit/flags.js";
import { addHealCommand } from "./commands/heal/flags.js";
import { addImportanceCommand } from "./commands/importance/flags.js";
import { addInitCommand } from "./commands/init/flags.js";
import { addInspectCommand } from "./commands/inspect/flags.js";
import { addMakeCommand } from "./commands/make/flags.js";
import { addPadCommand } from "./commands/pad/flags.js";
import { addPruneCommand } from "./commands/prune/flags.js";
import { addPullCommand } from "./commands/pull/flags.js";
import { addQuantizeCommand } from "./commands/quantize/flags.js";
import { addRpcKeyCommand } from "./commands/rpc-key/flags.js";
import { addRpcServerCommand } from "./commands/rpc-server/flags.js";
import { addRunCommand } from "./commands/run/flags.js";
import { addServeCommand } from "./commands/serve/flags.js";
import { addSuggestCommand } from "./commands/suggest/flags.js";
import { describeFailure } from "./failure.js";
import { visibleLines } from "./visible.js";

/** Runs one command line (without node and script) and gives its exit status. Never rejects. */
export async function runProgram(args: readonly string[]): Promise<number> {
  // A reader that went away is told to the one who writes; without a listener it would end the process with a trace.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  try {
    if (args.length === 0) await (await import("./commands/welcome/run.js")).welcome();
    else await makeProgram().parseAsync(args, { from: "user" });
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
  addRunCommand(program).action(async (pair, flags) => (await import("./commands/run/run.js")).run(pair, flags));
  addChatCommand(program).action(async (pair, flags) => (await import("./commands/chat/run.js")).runChat(pair, flags));
  addServeCommand(program).action(async (pair, flags) =>
    (await import("./commands/serve/run.js")).runServe(pair, flags),
  );
  addRpcServerCommand(program).action(async (flags) =>
    (await import("./commands/rpc-server/run.js")).runRpcServer(flags),
  );
  addRpcKeyCommand(program).action(async (flags) => (await import("./commands/rpc-key/run.js")).runRpcKey(flags));
  addPullCommand(program).action(async (source, flags) =>
    (await import("./commands/pull/run.js")).runPull(source, flags),
  );
  addSuggestCommand(program).action(async (folders, flags) =>
    (await import("./commands/suggest/run.js")).runSuggest(folders, flags),
  );
  addInitCommand(program).action(async (folder, flags) =>
    (await import("./commands/init/run.js")).runInit(folder, flags),
  );
  addInspectCommand(program).action(async (prefill, decode, flags) =>
    (await import("./commands/inspect/run.js")).inspectFiles(prefill, decode, flags),
  );
  addFitCommand(program).action(async (flags) => (await import("./commands/fit/run.js")).runFit(flags));
  addMakeCommand(program).action(async (model, flags) =>
    (await import("./commands/make/run.js")).runMake(model, flags),
  );
  addPruneCommand(program).action(async (model, flags) =>
    (await import("./commands/prune/run.js")).runPrune(model, flags),
  );
  addImportanceCommand(program).action(async (model, flags) =>
    (await import("./commands/importance/run.js")).runImportance(model, flags),
  );
  addPadCommand(program).action(async (model, flags) => (await import("./commands/pad/run.js")).runPad(model, flags));
  addQuantizeCommand(program).action(async (model, type, flags) =>
    (await import("./commands/quantize/run.js")).runQuantize(model, type, flags),
  );
  addAnswerCommand(program).action(async (flags) => (await import("./commands/answer/run.js")).runAnswer(flags));
  addHealCommand(program).action(async (student, flags) =>
    (await import("./commands/heal/run.js")).runHeal(student, flags),
  );
  addCreateCommand(program).action(async (flags) => (await import("./commands/create/run.js")).runCreate(flags));
  addEvalCommand(program).action(async (flags) => (await import("./commands/eval/run.js")).runEval(flags));
  addBenchCommand(program).action(async (flags) => (await import("./commands/bench/run.js")).runBench(flags));
  addDoctorCommand(program).action(async (flags) => (await import("./commands/doctor/run.js")).doctor(flags));
  return program;
}
