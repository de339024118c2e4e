/**
 * Adds up what ctest and ava have logged in the files named as arguments, names what failed, and prints
 * `N passed, N failed`.
 *
 *   --run-failed=1      the run that was logged has failed, and counts as one failure if no test did
 *   --failed-steps=N    so many other steps have failed, and count as failures
 *
 * Ends with 1 if anything failed or if the summary of either kind is missing.
 */
import { readFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";

const option = (name) => process.argv.find((argument) => argument.startsWith(`--${name}=`))?.split("=")[1] ?? "0";
const runFailed = option("run-failed");
const steps = option("failed-steps");
const logs = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const text = stripVTControlCharacters(logs.map((path) => readFileSync(path, "utf8")).join("\n"));

const sum = (pattern, read = (match) => Number(match[1])) =>
  [...text.matchAll(pattern)].reduce((total, match) => total + read(match), 0);

// ctest: "100% tests passed, 0 tests failed out of 6". ava: "46 tests passed" if nothing failed, else only what failed
// ("1 test failed", "1 uncaught exception"), so that passed tests are counted by their ticks.
const ctest = /^\d+% tests passed, (\d+) tests? failed out of (\d+)$/gm;
const avaTick = /^ {2}[✔√] /gm;
const avaFailed =
  /^ {2}(\d+) (?:tests? failed|hooks? failed|uncaught exception|unhandled rejection|tests? remained pending)/gm;
const avaSummary = /^ {2}(?:\d+ tests? (?:passed|failed)|\d+ (?:hooks?|uncaught|unhandled) )/m;

const passed = sum(ctest, ([, bad, all]) => Number(all) - Number(bad)) + sum(avaTick, () => 1);
const failedTests = sum(ctest) + sum(avaFailed);
const complete = ctest.test(text) && avaSummary.test(text);
// A run can fail outside of a test: in a build, or in a file that breaks off before its first test.
const failed = Math.max(failedTests, Number(runFailed)) + Number(steps);

// Said again at the end, where a log that was cut still has it.
for (const [line] of text.matchAll(/^ *\d+\/\d+ Test .*\*\*\*.*$|^ {2}[✘×] .*$/gmu))
  console.log(line.trim().slice(0, 400));
if (!complete) console.error("a summary of the native or of the TypeScript tests is missing");
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = complete && failed === 0 ? 0 : 1;
