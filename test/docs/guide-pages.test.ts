/** The programs of the pages that a stranger reads first run, each page's one after the other or each by itself. */

import test, { type ExecutionContext } from "ava";
import { folderWithChatModels, folderWithDemoPair } from "../support/app-folder.js";
import { readPage, runProgram } from "../support/page-program.js";
import { withTempDir } from "../support/temp-dir.js";

interface Walk {
  readonly page: string;
  /** How many programs the page has. */
  readonly count: number;
  /** One program behind another, or each for itself. */
  readonly together: boolean;
  readonly folder: (t: ExecutionContext) => string | Promise<string>;
  /** What each program says; of programs together there is one. */
  readonly says: readonly RegExp[];
}

const walks: readonly Walk[] = [
  {
    page: "docs/guide.md",
    count: 2,
    together: false,
    folder: folderWithChatModels,
    says: [
      /share: 0 bytes moved, \d+ tokens written\n$/,
      /\n(stop|length): \d+ tokens\n[1-9]\d* tokens were read before\n$/,
    ],
  },
  {
    page: "docs/concepts.md",
    count: 1,
    together: false,
    folder: withTempDir,
    says: [/^\d+ tokens read; share, 0 bytes moved\n .+\n$/],
  },
  {
    page: "docs/agents.md",
    count: 4,
    together: true,
    folder: folderWithChatModels,
    says: [/\d+ steps; \d+ of \d+ tokens were there already\ntrue\n3\n$/],
  },
  {
    page: "docs/migration.md",
    count: 4,
    together: true,
    folder: folderWithChatModels,
    says: [/\{ rain: (true|false) \}\ntrue\ntrue\n$/],
  },
  {
    page: "docs/make-a-pair.md",
    count: 1,
    together: false,
    folder: folderWithDemoPair,
    says: [/^ Rosnek 17 blue keys attic .*cpu \d+ /],
  },
  { page: "docs/errors.md", count: 1, together: false, folder: withTempDir, says: [/^choose another file\n$/] },
];

for (const { page, count, together, folder, says } of walks)
  test(`the programs of ${page} run`, async (t) => {
    const { programs } = readPage(page);
    t.is(programs.length, count);
    const whole = together ? [programs.join("\n")] : programs;
    for (const [i, program] of whole.entries()) {
      const { stdout, stderr } = await runProgram(await folder(t), program);
      t.is(stderr, "");
      t.regex(stdout, says[i] ?? /^$/);
    }
  });
