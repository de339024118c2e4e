/** The flags of a command line, without running it. */

import { Command, type OptionValues } from "@commander-js/extra-typings";

/** @param add declares the command, as the program does */
export async function parseFlags<Flags extends OptionValues>(
  add: (program: Command) => Pick<Command<unknown[], Flags>, "opts">,
  args: readonly string[],
): Promise<Flags> {
  const program = new Command().exitOverride().configureOutput({ outputError: () => {} });
  const command = add(program);
  const [added] = program.commands;
  if (!added) throw new Error("no command was added");
  await added.action(() => {}).parseAsync([...args], { from: "user" });
  return command.opts();
}
