/** What a stranger sees first: `overfill` alone. */

import test from "ava";
import stringWidth from "string-width";
import { makeProgram } from "../../lib/cli/program.js";
import { runCommand } from "./command-process.js";

for (const columns of ["80", "40"])
  test.serial(`without a command the demo pair is shown at work, in ${columns} columns`, async (t) => {
    const { stdout, stderr, exitCode } = await runCommand([], { env: { COLUMNS: columns } });
    t.is(exitCode, 0);
    t.is(stderr, "");
    for (const line of stdout.split("\n"))
      if (!/^ {2}overfill /.test(line)) t.true(stringWidth(line) <= Number(columns), line);
    t.regex(stdout, /Sort from 3 to 20 :/);
    t.regex(stdout.replace(/\s+/g, " "), /both 3 gray lamps .* \. \(right\) small one alone .* \(wrong\)/);
    if (columns === "80") t.true(stdout.split("\n").length <= 25, "it fits a terminal of 24 lines");
  });

test.serial("who has it by npx is told npx's commands, in as few lines", async (t) => {
  const { stdout } = await runCommand([], { env: { npm_command: "exec", COLUMNS: "80" } });
  t.regex(stdout, /\n {2}npx overfill suggest {2,}what .*\n {2}npx overfill pull .* {2}download a pair\n/);
  t.true(stdout.split("\n").length <= 25);
  for (const line of stdout.split("\n")) t.true(stringWidth(line) <= 80, line);
});

test.serial("every command that it names is one", async (t) => {
  const { stdout } = await runCommand([]);
  const named = [...stdout.matchAll(/^ {2}overfill ([a-z]+)/gm)].map(([, name]) => name);
  t.deepEqual(named, ["suggest", "pull", "chat", "init"]);
  const known = makeProgram().commands.map((command) => command.name());
  for (const name of named) t.true(known.includes(String(name)), name);
});
