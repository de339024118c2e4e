/**
 * Answers with subscribers that throw (`caught`: while uncaught exceptions are listened for, `uncaught`: while they are not),
 * or with none (`nobody`). Prints what came of it as JSON.
 */

import { channel } from "node:diagnostics_channel";
import { setImmediate as immediate } from "node:timers/promises";
import { demoPair, demoPrompt, loadPair } from "../../../dist/index.js";

const [, , how] = process.argv;
const channels = ["overfill:prefill", "overfill:switch", "overfill:decode", "overfill:refresh"].map((name) =>
  channel(name),
);
const told = {};
if (how === "nobody") {
  told.published = 0;
  for (const one of channels) one.publish = () => told.published++;
} else {
  told.others = [];
  const fails = (_event, name) => {
    throw new Error(`not ${name}`);
  };
  for (const one of channels) {
    one.subscribe(fails);
    one.subscribe((_event, name) => told.others.push(name));
  }
}
if (how === "caught") {
  told.uncaught = [];
  process.on("uncaughtException", (error) => told.uncaught.push(error.message));
}

const pair = await loadPair({ ...demoPair, threads: 1, gpu: false });
const session = await pair.createSession();
const { tokens } = await session.generate(demoPrompt, { temperature: 0, ignoreEos: true, maxTokens: 5 });
await immediate();
await pair.dispose();
console.log(JSON.stringify({ tokens: tokens.length, ...told }));
