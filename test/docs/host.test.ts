/** The example of docs/host.md answers. */

import test from "ava";
import { demoPair, demoPrompt, loadPair } from "../../lib/index.js";
import { quiet } from "../engine/fixtures.js";
import { readPage, runProgram } from "../support/page-program.js";
import { withTempDir } from "../support/temp-dir.js";

const page = readPage("docs/host.md");

test("the program prints the answer of a pair in its own process", async (t) => {
  const [program = "", ...others] = page.programs;
  t.is(others.length, 0);
  const { stdout } = await runProgram(withTempDir(t), program);
  await using pair = await loadPair({ ...demoPair, ...quiet });
  await using session = await pair.createSession();
  const { text } = await session.generate(demoPrompt, { temperature: 0 });
  t.is(stdout, `${text}\n`);
});
