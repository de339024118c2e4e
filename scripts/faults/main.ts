/**
 * `npm run test:faults`: files that are damaged in thousands of ways, a system that refuses memory, disk space and calls, and
 * machines and networks between them that are lost. Nothing of it may end the process, hang, or fail without a code
 * (docs/reliability.md).
 *
 *     npm run test:faults -- [--minutes N | --hours N] [--only NAME,...] [--seed N] [--jobs N] [--out DIR]
 *     npm run test:faults -- --only FORMAT --seed N --index N
 *     npm run test:faults -- --only OPERATION,FAILURE --nth N
 *
 *     --minutes N     how long, 3 if left out (--hours: the same in hours); as much of it for each part
 *     --only NAME,... formats, operations, failures and scenes by their names; "mutants", "injection" or "lost" for one part.
 *                     All if left out
 *     --seed N        of what is drawn; the time if left out
 *     --mutants N     mutants of each format at most; as many as the time allows if left out
 *     --runs N        failing calls of each operation and failure at most; 12 if left out
 *     --times N       how often each scene's sides are lost at most; as often as the time allows if left out
 *     --index N       the one mutant of a finding again
 *     --nth N         the one failing call of a finding again
 *     --jobs N        processes at once; the cores of this machine if left out
 *     --out DIR       where mutants that were found and report.json are put; build/faults if left out
 *
 * Calls are made to fail on Linux, and where there is a C compiler; sides are lost on Linux. Ends with 1 if there is a finding.
 */

import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makeTempDir } from "../../test/support/temp-dir.js";
import { operations } from "./injection/operations.js";
import { failures, type InjectionReport, runInjection } from "./injection/run-injection.js";
import { type LostReport, runLost, scenes } from "./lost/run-lost.js";
import { formats } from "./mutants/formats.js";
import { type MutantReport, runMutants } from "./mutants/run-mutants.js";
import { writeSoundFiles } from "./mutants/sound-files.js";
import { injectionTable, lostTable, mutantTable, timesOfScenes } from "./report.js";

const text = { type: "string" } as const;
const { values } = parseArgs({
  options: {
    ...{ minutes: text, hours: text, only: text, seed: text, mutants: text, runs: text, index: text, nth: text },
    ...{ jobs: text, out: text, times: text },
  },
});

function numberOf(name: keyof typeof values, otherwise: number, least = 0): number {
  const value = Number(values[name] ?? otherwise);
  if (Number.isNaN(value) || value < least) throw new RangeError(`--${name}: expected a number from ${least}`);
  return value;
}

const seed = numberOf("seed", Math.floor(Date.now() / 1000));
const jobs = numberOf("jobs", availableParallelism(), 1);
const out = values.out ?? join(import.meta.dirname, "..", "..", "build", "faults");

const named = values.only?.split(",") ?? [];
const known = [...formats, ...operations, ...failures, ...scenes].map(({ name }) => name);
const unknown = named.find((name) => !known.includes(name) && !["mutants", "injection", "lost"].includes(name));
if (unknown !== undefined) throw new RangeError(`--only: nothing is named ${unknown}; there are ${known.join(", ")}`);

/** Those of a list that were named; all of it if none were and the part was. */
function chosen<Item extends { readonly name: string }>(list: readonly Item[], isPartChosen: boolean): readonly Item[] {
  const some = list.filter(({ name }) => named.includes(name));
  return some.length > 0 ? some : isPartChosen ? list : [];
}

const wantsAll = named.length === 0;
const chosenFormats = chosen(formats, wantsAll || named.includes("mutants"));
const injects =
  wantsAll || named.includes("injection") || [...operations, ...failures].some(({ name }) => named.includes(name));
const chosenScenes = chosen(scenes, wantsAll || named.includes("lost"));
const parts = [chosenFormats.length > 0, injects, chosenScenes.length > 0].filter(Boolean).length;
const minutes = values.hours === undefined ? numberOf("minutes", 3) : 60 * numberOf("hours", 1);
const partMs = (minutes * 60_000) / parts;

async function mutants(soundFolder: string, workFolder: string): Promise<MutantReport> {
  const one = values.index !== undefined;
  return runMutants({
    ...{ formats: chosenFormats, seed, soundFolder, workFolder, findingsFolder: join(out, "mutants") },
    firstIndex: numberOf("index", 0),
    most: one ? 1 : numberOf("mutants", Number.POSITIVE_INFINITY, 1),
    until: Date.now() + partMs,
    jobs: one ? 1 : jobs,
    onFinding: ({ format, index, of, how, outcome, error }) =>
      console.log(`\n${outcome}: --only ${format} --seed ${seed} --index ${index}\n  ${of}: ${how}\n${error}`),
  });
}

async function injection(soundFolder: string, workFolder: string): Promise<InjectionReport> {
  const nth = values.nth === undefined ? undefined : numberOf("nth", 1, 1);
  return runInjection({
    ...{ operations: chosen(operations, true), failures: chosen(failures, true) },
    ...{ seed, jobs: nth === undefined ? jobs : 1, soundFolder, workFolder },
    ...(nth !== undefined && { nth }),
    most: numberOf("runs", 12, 1),
    until: Date.now() + partMs,
    onFinding: ({ operation, failure, nth, outcome, error }) =>
      console.log(`\n${outcome}: --only ${operation},${failure} --nth ${nth}\n${error}`),
  });
}

const lost = (workFolder: string): Promise<LostReport> =>
  runLost({
    ...{ scenes: chosenScenes, seed, workFolder, until: Date.now() + partMs },
    most: numberOf("times", Number.MAX_SAFE_INTEGER, 1),
    onFinding: ({ scene, harm, nth, error }) => console.log(`\n${scene}, ${harm}, ${nth}: ${error}`),
  });

const folder = makeTempDir();
try {
  console.log(`seed ${seed}`);
  const soundFolder = join(folder.path, "sound");
  await writeSoundFiles(soundFolder);
  const report: {
    readonly seed: number;
    readonly minutes: number;
    mutants?: MutantReport;
    injection?: InjectionReport;
    lost?: LostReport;
  } = { seed, minutes };
  if (chosenFormats.length > 0) {
    report.mutants = await mutants(soundFolder, folder.path);
    console.log(`\n${mutantTable(report.mutants)}`);
  }
  if (injects && process.platform === "linux") {
    report.injection = await injection(soundFolder, folder.path);
    console.log(`\n${injectionTable(report.injection)}`);
  } else if (injects) console.log("\nno calls were made to fail: that takes Linux");
  if (chosenScenes.length > 0 && process.platform === "linux") {
    report.lost = await lost(folder.path);
    console.log(`\n${lostTable(report.lost)}`);
    for (const { name, times } of timesOfScenes(report.lost))
      if (values.times !== undefined && times < Number(values.times))
        console.log(`${name}: ${times} of ${values.times} times, then the time was over`);
  } else if (chosenScenes.length > 0) console.log("\nno sides were lost: that takes Linux");
  await mkdir(out, { recursive: true });
  await writeFile(join(out, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
  const findings = [report.mutants, report.injection, report.lost].reduce(
    (sum, part) => sum + (part?.findings.length ?? 0),
    0,
  );
  console.log(`\n${findings} findings; the report is in ${out}`);
  process.exitCode = findings > 0 ? 1 : 0;
} finally {
  await folder.remove();
}
