/** Ends the process in the middle of native work. Takes `{ what, how, ... }`, as JSON, on stdin. */

import { text } from "node:stream/consumers";
import { works } from "./native-work.mjs";

const { what, how, ...files } = JSON.parse(await text(process.stdin));
const ends = {
  exit: () => process.exit(7),
  // What does not even emit "exit", as another addon's exit() would not.
  reallyExit: () => process.reallyExit(7),
  throw: () => setImmediate(() => { throw new Error("app fault"); }), // biome-ignore format: one line
  reject: () => Promise.reject(new Error("app fault")),
  listener: () => {
    process.on("exit", () => { process.exitCode = 7; }); // biome-ignore format: one line
    process.exit();
  },
};
let begun = false;
const inside = () => {
  if (begun) return;
  begun = true;
  ends[how]();
};
works[what]({ ...files, inside }).catch((error) => {
  // The end itself fails what runs; anything else is told.
  if (!begun) console.error(error);
});
