/** A few mutants of every format: a code or a use, and never the end of the process (`npm run test:faults` reads more). */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import anyTest, { type TestFn } from "ava";
import { resealPrefix, resealSession, sealCheckpoint } from "../../scripts/faults/mutants/checksums.js";
import { formats, makeMutant } from "../../scripts/faults/mutants/formats.js";
import { joinGguf, splitGguf } from "../../scripts/faults/mutants/gguf-parts.js";
import { runMutants } from "../../scripts/faults/mutants/run-mutants.js";
import { prefixFiles, type SoundFiles, writeSoundFiles } from "../../scripts/faults/mutants/sound-files.js";
import { mulberry32 } from "../support/random.js";
import { makeTempDir } from "../support/temp-dir.js";

const test = anyTest as TestFn<{
  readonly folder: string;
  readonly files: SoundFiles;
  readonly remove: () => Promise<void>;
}>;

test.before(async (t) => {
  const { path, remove } = makeTempDir();
  t.context = { folder: path, files: await writeSoundFiles(join(path, "sound")), remove };
});
test.after.always((t) => t.context.remove?.());

/** Ava's own comparison would take minutes for so many bytes. */
const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

test("sums that are made anew are those that the package writes", (t) => {
  const { files } = t.context;
  const read = (path: string): Uint8Array => new Uint8Array(readFileSync(path));
  for (const path of [files.session, files.chat]) t.true(isSame(resealSession(read(path)), read(path)), path);
  for (const path of prefixFiles(files)) t.true(isSame(resealPrefix(read(path)), read(path)), path);
  const checkpoint = read(files.checkpoint);
  t.true(isSame(sealCheckpoint(checkpoint.subarray(0, -8)), checkpoint));
});

test("a GGUF file that is taken apart and put together is the same", (t) => {
  const { files } = t.context;
  for (const path of [files.model("llama"), files.model("lfm2"), files.translator, files.importance, files.matrix]) {
    const bytes = new Uint8Array(readFileSync(path));
    t.true(isSame(joinGguf(splitGguf(bytes)), bytes), path);
  }
});

test("mutants of one seed are the same, and most are not their original", (t) => {
  const { files } = t.context;
  for (const format of formats) {
    const originals = format.sound(files).map((path) => readFileSync(path));
    const made = Array.from({ length: 12 }, (_, seed) => makeMutant(format, files, mulberry32(seed)).bytes);
    for (const [seed, bytes] of made.slice(0, 4).entries())
      t.true(isSame(makeMutant(format, files, mulberry32(seed)).bytes, bytes), format.name);
    const changed = made.filter((bytes) => !originals.some((original) => original.equals(bytes)));
    t.true(changed.length >= 8, `${format.name}: ${changed.length}`);
  }
});

test("mutants of every format are refused with a code, or used", async (t) => {
  const { folder } = t.context;
  const { counts, findings } = await runMutants({
    ...{ formats, seed: 22, most: 6, until: Number.POSITIVE_INFINITY, jobs: 1 },
    ...{ soundFolder: join(folder, "sound"), workFolder: folder, findingsFolder: join(folder, "findings") },
  });
  t.deepEqual(findings, []);
  for (const { format, read } of counts) t.is(read, 6, format);
  t.true(counts.reduce((sum, { taken }) => sum + taken, 0) > 10);
});
