/** Does everything that the failing system is tried with (injection/operations.ts) once, without failures: for a sanitizer. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { makeTempDir } from "../../test/support/temp-dir.js";
import { operations } from "./injection/operations.js";
import { soundFiles, writeSoundFiles } from "./mutants/sound-files.js";

const folder = makeTempDir();
try {
  const sound = join(folder.path, "sound");
  await writeSoundFiles(sound);
  for (const { name, prepare } of operations) {
    const own = join(folder.path, name);
    mkdirSync(own);
    const { run, told, clear } = await prepare(soundFiles(sound), own);
    await run();
    console.log(`${name}: ${(await told()).slice(0, 60)}`);
    await clear();
  }
} finally {
  await folder.remove();
}
