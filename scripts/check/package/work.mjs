/** What the checks of the packed package have in common: a folder to work in, programs to run, steps that are told. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../..", import.meta.url));
export const onWindows = process.platform === "win32";

/** Outside of the clone, whose node_modules nothing may find. */
export const work = realpathSync(mkdtempSync(join(tmpdir(), "overfill-packed-")));

export function removeWork() {
  rmSync(work, { recursive: true, force: true });
}

/** A program's ending: `status`, `stdout` and `stderr`. Settings of a surrounding npm are not passed on. */
export function start(program, args, options = {}) {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_OPTIONS$|OVERFILL_)/i.test(name));
  const result = spawnSync(program, args, {
    cwd: work,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    ...options,
    env: { ...Object.fromEntries(inherited), ...options.env },
  });
  if (result.error) throw result.error;
  return result;
}

/** Runs a program and returns its standard output; fails with all of its output. */
export function run(program, args, options) {
  const { status, stdout, stderr } = start(program, args, options);
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${status}\n${stdout}\n${stderr}`);
  return stdout;
}

export const node = (args, options) => run(process.execPath, args, options);
export const npm = (args, options) => run(onWindows ? "npm.cmd" : "npm", args, { shell: onWindows, ...options });

const quietly = ["--no-audit", "--no-fund", "--prefer-offline"];

/** `npm install` of tarballs and packages, without any script. */
export function npmInstall(folder, ...packages) {
  npm(["install", "--ignore-scripts", ...quietly, ...packages], { cwd: folder });
}

export async function step(title, body) {
  const began = performance.now();
  await body();
  console.log(`ok ${title} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
}

export function check(condition, message) {
  if (!condition) throw new Error(message);
}

/** A folder `name` with a package.json and other files. */
export function makeProject(name, files = {}, manifest = {}) {
  const folder = join(work, name);
  mkdirSync(folder, { recursive: true });
  const described = { name, version: "1.0.0", private: true, type: "module", ...manifest };
  writeFileSync(join(folder, "package.json"), JSON.stringify(described));
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  return folder;
}

/** Runs a module's text in the project and returns the object that it prints. */
export function evaluate(project, text) {
  const file = join(project, "check.mjs");
  writeFileSync(file, text);
  return JSON.parse(node([file], { cwd: project }));
}

const answer = `
  const outcome = {};
  try {
    const pair = await loadPair(demoPair);
    const session = await pair.createSession();
    const { text, handover } = await session.generate(demoPrompt, { temperature: 0, maxTokens: 32 });
    await pair.dispose();
    Object.assign(outcome, { text, kind: handover.kind });
  } catch (error) {
    Object.assign(outcome, { code: error.code, message: error.message, known: OverfillError.isInstance(error) });
  }
  console.log(JSON.stringify(outcome));`;

/** A program that answers the demo's prompt, or tells the error, as one line of JSON. */
export const program = {
  esm: `import { demoPair, demoPrompt, loadPair, OverfillError } from "overfill";\n(async () => {${answer}\n})();\n`,
  cjs: `const { demoPair, demoPrompt, loadPair, OverfillError } = require("overfill");\n(async () => {${answer}\n})();\n`,
  dynamic: `import("overfill").then(async ({ demoPair, demoPrompt, loadPair, OverfillError }) => {${answer}\n});\n`,
};

/** The last line that the program above has printed. */
export const outcomeOf = (stdout) => JSON.parse(stdout.trim().split("\n").at(-1));

export function checkAnswer(stdout) {
  const { kind, text } = outcomeOf(stdout);
  check(kind === "share" && text?.startsWith(" 3 gray lamps , 12 red kites"), `got ${stdout}`);
}

/** Checks that the program has told an error of this package with `code` and all `words` in its message. */
export function checkRefusal(stdout, code, ...words) {
  const outcome = outcomeOf(stdout);
  const right = outcome.code === code && outcome.known && words.every((word) => outcome.message.includes(word));
  check(right, `expected ${code} with ${words.join(", ")}; got ${stdout}`);
}
