/** What `overfill init` has written. */

import { relative } from "node:path";
import { quoted } from "../../shell-words.js";
import type { Project } from "./project.js";

export function renderProject({ folder, kind, files, script, lacksModels }: Project): string {
  const where = relative(process.cwd(), folder) || ".";
  const run = script === "start" ? "npm start" : `npm run ${script}`;
  return [
    `Wrote ${where} (${kind}): ${files.filter((file) => !file.startsWith(".")).join(", ")}`,
    "",
    "Next:",
    ...(where === "." ? [] : [`  cd ${quoted(where)}`]),
    "  npm install",
    ...(lacksModels
      ? [
          "  npx overfill suggest      finds or proposes two models: put their paths where",
          "                            README.md says",
        ]
      : []),
    `  ${run}`,
  ].join("\n");
}
