/** What `overfill init` has written. */

import { relative } from "node:path";
import { quoted } from "../../shell-words.js";
import type { Project } from "./project.js";

/** @param hasModels whether the project names models that were given */
export function renderProject({ folder, kind, files, script }: Project, hasModels: boolean): string {
  const where = relative(process.cwd(), folder) || ".";
  const run = script === "start" ? "npm start" : `npm run ${script}`;
  return [
    `Wrote ${where} (${kind}): ${files.filter((file) => !file.startsWith(".")).join(", ")}`,
    "",
    "Next:",
    ...(where === "." ? [] : [`  cd ${quoted(where)}`]),
    "  npm install",
    ...(hasModels
      ? []
      : [
          "  npx overfill suggest      finds or proposes two models: put their paths where",
          "                            README.md says",
        ]),
    `  ${run}`,
  ].join("\n");
}
