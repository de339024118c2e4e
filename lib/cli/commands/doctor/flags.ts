/** `overfill doctor`: its flags. */

import type { Command } from "@commander-js/extra-typings";
import type { FlagsOf } from "../../flags.js";

export type DoctorFlags = FlagsOf<typeof addDoctorCommand>;

export function addDoctorCommand(program: Command) {
  return program
    .command("doctor")
    .description("show what this installation consists of and whether it works; exit status 1 if it does not")
    .option("--json", "print one JSON object instead of the tables");
}
