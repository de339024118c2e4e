/**
 * Reads mutants, one after the other, as it is told: makes the file from the format, the seed and the number, so that
 * whoever has these has the file. Takes the folder of sound files and a folder for the mutants.
 */

import { mkdirSync } from "node:fs";
import { OverfillError } from "../../../lib/index.js";
import { mulberry32, namedSeed } from "../../../test/support/random.js";
import { formatNamed, makeMutant, writeMutant } from "./formats.js";
import { mutantName, type ReadOutcome, type ReadRequest } from "./messages.js";
import { copyNamed, soundFiles } from "./sound-files.js";

const [soundFolder = "", folder = ""] = process.argv.slice(2);
const files = soundFiles(soundFolder);
mkdirSync(folder, { recursive: true });
copyNamed(files, folder);

async function outcomeOf(request: ReadRequest): Promise<ReadOutcome> {
  const format = formatNamed(request.format);
  const random = mulberry32(namedSeed(request.seed, mutantName(request)));
  const { bytes } = makeMutant(format, files, random);
  const path = writeMutant(format, folder, bytes);
  try {
    return { kind: "taken", told: await format.read(path, files) };
  } catch (error) {
    if (OverfillError.isInstance(error) && error.code !== "ERR_INTERNAL") return { kind: "refused", code: error.code };
    return { kind: "wrong", error: error instanceof Error ? `${error.stack ?? error.message}` : String(error) };
  }
}

// A fault outside of any call is one, too; it is told with the answer to come.
let outside: ReadOutcome | undefined;
for (const event of ["uncaughtException", "unhandledRejection"] as const)
  process.on(event, (error: unknown) => {
    const told = error instanceof Error ? (error.stack ?? error.message) : String(error);
    outside = { kind: "wrong", error: `${event}: ${told}` };
  });

process.on("message", async (request: ReadRequest) => {
  const outcome = await outcomeOf(request);
  await new Promise((resolve) => setImmediate(resolve));
  process.send?.(outside ?? outcome);
  outside = undefined;
});
