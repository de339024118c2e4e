/** How the command ends other than by success or by a failure that has a message of its own. */

/** Exit statuses: 128 plus the signal's number where a signal ended the run, as shells have it. */
export const exitCodes = { failure: 1, usage: 2, SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** Ends the command without a message: what there is to say has been said. */
export class QuietExit extends Error {
  override readonly name = "QuietExit";

  constructor(readonly exitCode: number) {
    super(`exit ${exitCode}`);
  }
}

/** The command line does not make sense; its message says what is missing. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
