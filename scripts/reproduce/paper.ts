/** The paper in miniature, from nothing to its tables. */

import { join } from "node:path";
import { contestantsOf, rowNames } from "./contestants.js";
import { put } from "./jobs.js";
import { modelJobs } from "./models.js";
import { plans } from "./plan.js";
import { outcomePlot } from "./plot.js";
import { outcomeOf, toMarkdown, toText } from "./report.js";
import { runToEnd } from "./run.js";

export async function reproducePaper(name: keyof typeof plans, folder: string, atOnce: number): Promise<void> {
  const plan = plans[name];
  const contestants = contestantsOf(plan, modelJobs(plan, folder), folder);
  // The demo pair first: it takes longest, and is wanted soonest.
  const demo = contestants.rows.filter(({ name }) => name === rowNames.demo);
  const wanted = [...demo, ...contestants.rows, ...contestants.curve].flatMap(({ answers }) => answers);
  await runToEnd(wanted, atOnce);

  const outcome = await outcomeOf(plan, contestants);
  await put(join(folder, "reproduction.json"), `${JSON.stringify(outcome, null, 2)}\n`);
  await put(join(folder, "reproduction.md"), `${toMarkdown(outcome)}\n`);
  await put(join(folder, "reproduction.svg"), outcomePlot(outcome));
  console.log(toText(outcome));
  console.log(`\nwritten: reproduction.json, reproduction.md and reproduction.svg in ${folder}`);
}
