/** docs/errors.md has a text for every code, and whoever sees an error sees its code. */

import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import test from "ava";
import { describeFailure } from "../../lib/cli/failure.js";
import { errorOfCode } from "../../lib/errors/classes.js";
import { errorTable } from "../../lib/errors/error-table.js";
import { errorTexts } from "../../scripts/docs/error-texts.js";
import { errorsPage } from "../../scripts/docs/errors-page.js";

const codes = Object.values(errorTable).flatMap((rows) => Object.keys(rows));

test("the page is what `npm run docs:errors` makes", (t) => {
  t.is(readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8"), errorsPage());
});

test("every code has its text, and every text its code", (t) => {
  t.deepEqual(Object.keys(errorTexts).sort(), codes.toSorted());
  for (const [code, { what, why, todo }] of Object.entries(errorTexts))
    for (const text of [what, why, todo]) t.regex(text, /^([A-Z"'`[]|llama\.cpp).{15,}[.)]$/s, `${code}: ${text}`);
});

test("an error that Node prints, and one that the command line tells, names the code that finds its text", (t) => {
  const page = errorsPage();
  for (const code of codes) {
    const error = errorOfCode(code, "something happened", {});
    t.true(inspect(error).includes(code), code);
    t.true(describeFailure(error).message.endsWith(`(${code})`), code);
    t.true(page.includes(`\n### ${code}\n`), code);
  }
});
