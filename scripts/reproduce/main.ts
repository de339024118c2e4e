/**
 * `npm run reproduce`: the paper in miniature (arXiv 2508.08446), with this package's own tools: a full model from scratch,
 * pruned, healed in both ways, and asked. With `--language` a model of English, and writers of many kinds behind it; with `--reader` the reader is
 * trained for a writer that stays as it is (arXiv 2609.26333); with both, on the models of English.
 *
 *     npm run reproduce -- [--quick] [--out DIR] [--jobs N]
 *     npm run reproduce -- --reader [--quick] [--out DIR] [--jobs N]
 *     npm run reproduce -- --language [--small] [--out DIR] [--jobs N]
 *     npm run reproduce -- --reader --language [--small] [--out DIR] [--jobs N]
 *
 *     --quick         the same ways with fewer steps, one ratio and two seeds
 *     --small         the same ways with a model that learns nothing, in a minute
 *     --out DIR       where everything is written; build/reproduce, with "-quick", "-reader", "-language" and "-small"
 *                     behind it, if left out; --reader --language works in the folder of --language, with its models
 *     --jobs N        trainings at once, one thread each (at most so many for one that all others wait for); the cores of this
 *                     machine if left out
 *
 * Whatever is done stays: the same command goes on after an interruption, at the step of a training where it was.
 */

import { mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    reader: { type: "boolean", default: false },
    language: { type: "boolean", default: false },
    small: { type: "boolean", default: false },
    out: { type: "string" },
    jobs: { type: "string" },
  },
});
const { quick, reader, language, small } = values;
if (small !== (small && language) || (quick && language))
  throw new RangeError("--small goes with --language, and --quick without it");
const suffix = [reader && !language && "-reader", quick && "-quick", language && "-language", small && "-small"]
  .filter(Boolean)
  .join("");
const folder = values.out ?? join(import.meta.dirname, "..", "..", "build", `reproduce${suffix}`);
const atOnce = Number(values.jobs ?? availableParallelism());
if (!Number.isSafeInteger(atOnce) || atOnce < 1) throw new RangeError("--jobs: expected a whole number from 1");

await mkdir(folder, { recursive: true });
// What one of them needs the other does not load.
if (reader && language)
  await (await import("./reader-language/reproduce.js")).reproduceReaderLanguage(
    small ? "small" : "whole",
    folder,
    atOnce,
  );
else if (language)
  await (await import("./language/reproduce.js")).reproduceLanguage(small ? "small" : "whole", folder, atOnce);
else if (reader)
  await (await import("./reader/reproduce.js")).reproduceReader(quick ? "quick" : "whole", folder, atOnce);
else await (await import("./paper.js")).reproducePaper(quick ? "quick" : "whole", folder, atOnce);
