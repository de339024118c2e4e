/** Sides of a pair that are killed, paused and cut off now and then (`npm run test:faults -- --only lost` does more). */

import test from "ava";
import { type Held, leftBehind } from "../../scripts/faults/lost/held.js";
import { runLost, scenes } from "../../scripts/faults/lost/run-lost.js";
import { timesOfScenes } from "../../scripts/faults/report.js";
import { withTempDir } from "../support/temp-dir.js";

const linuxTest = process.platform === "linux" ? test.serial : test.skip;

const held: Held = {
  ...{ name: "server", pid: 7, descriptors: 30, threads: 12, heapBytes: 2e7, residentBytes: 2e8 },
  ...{ children: 1, busy: 0, sessions: 2 },
};

test("what a process holds more than before is told, and what it takes now and then is not", (t) => {
  t.is(leftBehind(held, { ...held, descriptors: 31, heapBytes: 2.1e7 }), undefined);
  t.is(leftBehind(held, { ...held, pid: 8, descriptors: 60 }), undefined, "another process");
  t.regex(leftBehind(held, { ...held, descriptors: 40 }) ?? "", /descriptors 40 after 30/);
  t.regex(leftBehind(held, { ...held, heapBytes: 4e7 }) ?? "", /heapBytes/);
  t.regex(leftBehind(held, { ...held, sessions: 3 }) ?? "", /3 sessions after 2/);
  t.regex(leftBehind(held, { ...held, children: 2 }) ?? "", /2 processes after 1/);
  t.regex(leftBehind(undefined, { ...held, busy: 1 }) ?? "", /still busy/);
});

test("how often a scene was harmed is told with all harms together, so that a run that was cut short is seen", (t) => {
  const count = { right: 0, refused: {}, gone: 0, slowestMs: 0, findings: 0 };
  const counts = [
    { ...count, scene: "a", harm: "cut", times: 3 },
    { ...count, scene: "b", harm: "cut", times: 2 },
    { ...count, scene: "a", harm: "killed", times: 4 },
  ];
  t.deepEqual(timesOfScenes({ seed: 1, counts, memory: [], findings: [] }), [
    { name: "a", times: 7 },
    { name: "b", times: 2 },
  ]);
});

for (const scene of scenes)
  linuxTest(`${scene.name}: whatever is lost, an answer is right or has a code, and nothing is left`, async (t) => {
    t.timeout(300_000);
    const { counts, findings } = await runLost({
      ...{ scenes: [scene], seed: 24, most: 8, until: Number.MAX_SAFE_INTEGER, workFolder: withTempDir(t) },
    });
    t.deepEqual(findings, []);
    t.is(counts.length, 8);
    for (const { harm, times, right, refused, gone } of counts) {
      t.is(times, 1, harm);
      t.is(right + gone + Object.values(refused).reduce((sum, n) => sum + n, 0), 1, harm);
    }
  });
