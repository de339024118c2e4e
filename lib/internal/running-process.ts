/** Whether a process that left its number somewhere still runs. */

/** True also for one of another user; a number that was given to another process meanwhile counts as running, too. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process runs, too.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
