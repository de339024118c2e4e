/**
 * docs/errors.md, made of the table of errors (lib/errors/error-table.ts) and the texts beside it (error-texts.ts).
 *
 *     npm run docs:errors
 */

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { errorTable } from "../../lib/errors/error-table.js";
import { downloadTexts, type ErrorText, errorTexts } from "./error-texts.js";

const head = `# Errors

<!-- Made by \`npm run docs:errors\` of scripts/docs/error-texts.ts: change it there. -->

Every error of this package is an \`OverfillError\` with a \`code\` that never changes its meaning, \`details\` for programs, and where another error led to it a \`cause\`. Node prints the code with the error, and the command line behind the message, in brackets. Find it here with your browser's search, or by its address: \`errors.md#err_model_not_found\`.

\`\`\`js
import { loadPair, OverfillError } from "overfill";

try {
  await loadPair({ prefill: { model: "no-such-file.gguf" } });
} catch (error) {
  if (!OverfillError.isInstance(error)) throw error;
  if (error.code === "ERR_MODEL_NOT_FOUND") console.log("choose another file");
  else console.log(error.code, error.details);
}
\`\`\`

Branch on \`code\`, or on a class with \`isInstance\`, which knows errors of another copy of the package, a worker or another realm as well. To send an error elsewhere use \`error.toJSON()\` and \`OverfillError.fromJSON\`.

Two things are no \`OverfillError\`: an abort rejects with the reason of your own \`AbortSignal\`, and what your callbacks and tools throw stays what it is. The server's HTTP errors have OpenAI's form; which status each of these codes becomes is in [server.md](server.md#when-it-fails).
`;

function section([code, { what, why, todo }]: [string, ErrorText]): string {
  return `### ${code}\n\n${what}\n\n- **Why:** ${why}\n- **What to do:** ${todo}\n`;
}

/** The page's text. */
export function errorsPage(): string {
  const classes = Object.entries(errorTable).map(([name, rows]) => {
    const codes = Object.keys(rows) as (keyof typeof errorTexts)[];
    return `## ${name}\n\n${codes.map((code) => section([code, errorTexts[code]])).join("\n")}`;
  });
  const downloads = Object.entries(downloadTexts).map(section).join("\n");
  return `${head}\n${classes.join("\n")}\n## Downloads\n\nCodes of \`overfill pull\` ([pull.md](pull.md)), on the command line only.\n\n${downloads}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(fileURLToPath(new URL("../../docs/errors.md", import.meta.url)), errorsPage());
