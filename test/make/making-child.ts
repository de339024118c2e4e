/** Makes a pair in a process that a test kills: options as JSON in the first argument; tells each step that begins. */

import { makePair } from "../../lib/index.js";

let told = "";
await makePair({
  ...JSON.parse(process.argv[2] ?? "{}"),
  onProgress: ({ step, detail }) => {
    const now = `${step} ${detail}`;
    if (now !== told) process.send?.(now);
    told = now;
  },
});
