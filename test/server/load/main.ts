/**
 * `npm run test:load -- [--clients N] [--seconds S] [--sessions N]`: the load test for as long and with as many clients as
 * wanted (64 for 120 seconds). Exit status: 1 if an answer was wrong or something was left behind.
 */

import { parseArgs } from "node:util";
import { runLoad } from "./load.js";

const { values } = parseArgs({
  options: {
    clients: { type: "string", default: "64" },
    seconds: { type: "string", default: "120" },
    sessions: { type: "string", default: "4" },
  },
});
const whole = (name: keyof typeof values) => {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`--${name}: expected a whole number of 1 or more`);
  return value;
};

const report = await runLoad({
  clients: whole("clients"),
  seconds: whole("seconds"),
  maxSessions: whole("sessions"),
});
const { answered, troubles, wrong, before, after, rssBytes, late } = report;
const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
const ms = (value: number) => `${value.toFixed(1)} ms`;
const left = after.running + after.busy + after.waiting;
const lines: readonly (readonly [string, string])[] = [
  ["clients, seconds", `${report.clients}, ${report.seconds}`],
  ["answers that were compared", `${answered}, of which ${wrong.length} were wrong`],
  ["leaving, slow, broken and oversized", `${troubles}`],
  ["resident memory by tenths", rssBytes.map(mib).join(", ")],
  ["resident memory before and after", `${mib(before.rssBytes)}, ${mib(after.rssBytes)}`],
  ["descriptors before and after", `${before.descriptors ?? "?"}, ${after.descriptors ?? "?"}`],
  ["handles before and after", `${before.resources}, ${after.resources}`],
  ["requests and sessions left", `${left}`],
  [
    "event loop late by",
    `median ${ms(late.p50)}, p99 ${ms(late.p99)}, most ${ms(late.most)} (target: p99 below 20 ms)`,
  ],
];
for (const [name, value] of lines) console.log(`${name.padEnd(36)}${value}`);
for (const fault of wrong.slice(0, 5)) console.log(`wrong: ${fault}`);
const hasLeak = left > 0 || (after.descriptors ?? 0) > (before.descriptors ?? 0);
process.exitCode = wrong.length > 0 || hasLeak ? 1 : 0;
