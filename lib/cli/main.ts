#!/usr/bin/env node
/** The `overfill` command: a thin shell over the public rooms, which load once the command is known. */

import { runProgram } from "./program.js";

const exitCode = await runProgram(process.argv.slice(2));
// An interrupted run does not wait for a reader that no longer takes its text; any other does.
if (exitCode > 128) process.exit(exitCode);
process.exitCode = exitCode;
