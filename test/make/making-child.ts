/**
 * Makes a pair in a process that a test kills: options as JSON in the first argument; tells each step that begins. With
 * `stand still` as the second one, it stops at the first.
 */

import { makePair } from "../../lib/index.js";

const standStill = () => {
  if (process.argv[3] === "stand still") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
};
let told = "";
await makePair({
  ...JSON.parse(process.argv[2] ?? "{}"),
  onProgress: ({ step, detail }) => {
    const now = `${step} ${detail}`;
    if (now !== told) process.send?.(now, standStill);
    told = now;
  },
});
