/** `overfill doctor`: its flags. */

import type { Command } from "commander";

/** The flags as commander hands them over. */
export interface DoctorFlags {
  readonly json?: boolean;
}

export function addDoctorCommand(program: Command): Command {
  return program
    .command("doctor")
    .description("what this installation found, and whether it works; exit status 1 if it does not")
    .option("--json", "print one JSON object in place of the tables");
}
