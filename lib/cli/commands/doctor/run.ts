/** What `overfill doctor` does: tells what is found, loads it, runs the demo pair, and says whether all of it works. */

import { exitCodes, QuietExit } from "../../exit.js";
import { listenForStop } from "../../stop-signals.js";
import { styleOf, write } from "../../terminal.js";
import { toJson, visible, visibleLines } from "../../visible.js";
import type { DoctorFlags } from "./flags.js";
import {
  findInstallation,
  type Loaded,
  loadInstallation,
  type Problem,
  problemOfError,
  problemOfTrial,
  type Trial,
  tryDemoPair,
} from "./installation.js";
import { foundRows, loadedRows, section, trialRows } from "./render.js";

const style = styleOf(process.stdout);

export async function doctor(flags: DoctorFlags): Promise<void> {
  const { signal, release } = listenForStop();
  const say = async (text: string) => {
    if (!flags.json) await write(process.stdout, `${text}\n`, signal);
  };
  try {
    const found = findInstallation();
    // Before anything is loaded: should a library end the process, this much has been told.
    await say(`${section("Found", foundRows(visible(found)))}\n`);
    const { loaded, trial, problem } = await examine(signal, say);
    if (flags.json)
      await write(
        process.stdout,
        `${toJson({ ok: problem === undefined, ...found, loaded, trial, problem }, 2)}\n`,
        signal,
      );
    if (problem === undefined) return say(style("green", "Everything works."));
    const cause = problem.cause === undefined ? "" : `\n  caused by: ${problem.cause}`;
    await write(process.stderr, `${visibleLines(`overfill: ${problem.message} (${problem.code})${cause}`)}\n`);
    throw new QuietExit(exitCodes.failure);
  } finally {
    release();
  }
}

interface Examination {
  readonly loaded?: Loaded;
  readonly trial?: Trial;
  readonly problem?: Problem;
}

async function examine(signal: AbortSignal, say: (text: string) => Promise<void>): Promise<Examination> {
  let loaded: Loaded | undefined;
  try {
    loaded = loadInstallation();
    await say(`${section("Loaded", loadedRows(visible(loaded)))}\n`);
    const trial = await tryDemoPair(signal);
    await say(`${section("Demo pair", trialRows(visible(trial)))}\n`);
    const problem = problemOfTrial(trial);
    return { loaded, trial, ...(problem && { problem }) };
  } catch (error) {
    signal.throwIfAborted();
    return { ...(loaded && { loaded }), problem: problemOfError(error) };
  }
}
