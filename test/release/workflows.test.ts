/** The workflows name runners and actions that GitHub has; one that it retires is to be changed everywhere at once. */

import { readdirSync, readFileSync } from "node:fs";
import test from "ava";

const folder = new URL("../../.github/workflows/", import.meta.url);
const workflows = readdirSync(folder).map((name) => [name, readFileSync(new URL(name, folder), "utf8")] as const);

/** Not announced to be retired in December 2026 (github.com/actions/runner-images). */
const runners = new Set([
  ...["ubuntu-24.04", "ubuntu-24.04-arm", "ubuntu-26.04", "macos-15", "macos-15-intel", "macos-26"],
  ...["windows-2022", "windows-2025", "windows-11-arm"],
]);

/** The first major version of each that runs in Node 24: earlier ones run in one that GitHub has taken away. */
const actions: Readonly<Record<string, number>> = {
  "actions/checkout": 5,
  "actions/setup-node": 5,
  "actions/upload-artifact": 6,
  "actions/download-artifact": 7,
  "actions/upload-pages-artifact": 5,
  "actions/deploy-pages": 5,
};

for (const [name, text] of workflows) {
  test(`${name} runs on images that are current`, (t) => {
    const named = [...text.matchAll(/\b(?:ubuntu|macos|windows)-[\w.-]+/g)].map(([image]) => image);
    t.true(named.length > 0);
    for (const image of named) t.true(runners.has(image), image);
  });

  test(`${name} uses actions that run in Node 24`, (t) => {
    const used = [...text.matchAll(/uses: (\S+)@v(\d+)/g)];
    t.is(used.length, text.split("uses:").length - 1, "every action has a version");
    for (const [, action = "", major] of used) t.true(Number(major) >= Number(actions[action]), action);
  });
}
