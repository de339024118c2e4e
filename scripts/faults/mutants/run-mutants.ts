/** Reads mutants of all formats in turn, in several processes, until there are enough or the time is over. */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { mulberry32, namedSeed } from "../../../test/support/random.js";
import { type Loss, WatchedProcess } from "../watched-process.js";
import { type Format, makeMutant } from "./formats.js";
import { mutantName, type ReadOutcome, type ReadRequest } from "./messages.js";
import { soundFiles } from "./sound-files.js";

/** A mutant that was read in a way that no mutant may be. */
export interface MutantFinding {
  readonly format: string;
  readonly seed: number;
  readonly index: number;
  readonly of: string;
  readonly how: string;
  /** Where the mutant is kept. */
  readonly path: string;
  readonly outcome: "wrong" | "died" | "hung";
  readonly error: string;
}

export interface FormatCount {
  readonly format: string;
  read: number;
  taken: number;
  /** How often each code was given. */
  readonly refused: Record<string, number>;
  findings: number;
}

export interface MutantReport {
  readonly seed: number;
  readonly counts: readonly FormatCount[];
  readonly findings: readonly MutantFinding[];
}

export interface MutantRun {
  readonly formats: readonly Format[];
  readonly seed: number;
  /** Of the first mutant. */
  readonly firstIndex?: number;
  /** Of each format. */
  readonly most: number;
  readonly until: number;
  readonly jobs: number;
  readonly soundFolder: string;
  readonly workFolder: string;
  readonly findingsFolder: string;
  readonly onFinding?: (finding: MutantFinding) => void;
}

/** Reading one takes milliseconds, on a busy machine some hundred. */
const limits = { hangMs: 60_000, memoryBytes: 6 * 2 ** 30 };

const program = fileURLToPath(new URL("./read-child.ts", import.meta.url));

type Fault = Extract<ReadOutcome | Loss, { error: string }>;

async function keep(run: MutantRun, format: Format, index: number, outcome: Fault): Promise<MutantFinding> {
  const { seed } = run;
  const name = mutantName({ format: format.name, seed, index });
  const files = soundFiles(run.soundFolder);
  const { bytes, how, of } = makeMutant(format, files, mulberry32(namedSeed(seed, name)));
  const path = join(run.findingsFolder, `${name}${format.extension}`);
  await mkdir(run.findingsFolder, { recursive: true });
  await writeFile(path, bytes);
  const finding = { format: format.name, seed, index, of, how, path, outcome: outcome.kind, error: outcome.error };
  run.onFinding?.(finding);
  return finding;
}

/** Runs. Throws what cannot be a mutant's fault. */
export async function runMutants(run: MutantRun): Promise<MutantReport> {
  const counts = run.formats.map(
    ({ name }): FormatCount => ({ format: name, read: 0, taken: 0, refused: {}, findings: 0 }),
  );
  const findings: MutantFinding[] = [];
  const firstIndex = run.firstIndex ?? 0;
  let next = 0;
  const work = async (job: number) => {
    const args = [run.soundFolder, join(run.workFolder, `job-${job}`)];
    const reading = new WatchedProcess<ReadRequest, ReadOutcome>({ path: program, args, ...limits });
    try {
      while (Date.now() < run.until && next < run.most * run.formats.length) {
        const which = next % run.formats.length;
        const index = firstIndex + Math.floor(next / run.formats.length);
        next++;
        const [format, count] = [run.formats[which], counts[which]];
        if (!format || !count) throw new RangeError("no format");
        const outcome = await reading.ask({ format: format.name, seed: run.seed, index });
        count.read++;
        if (outcome.kind === "taken") count.taken++;
        if (outcome.kind === "refused") count.refused[outcome.code] = (count.refused[outcome.code] ?? 0) + 1;
        if (!("error" in outcome)) continue;
        count.findings++;
        findings.push(await keep(run, format, index, outcome));
      }
    } finally {
      await reading.close();
    }
  };
  await Promise.all(Array.from({ length: run.jobs }, (_, job) => work(job)));
  return { seed: run.seed, counts, findings };
}
