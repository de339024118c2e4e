/** The simulation of one reader for many writers, against what can be reckoned. */

import test from "ava";
import { mostWriters, quantile, type Simulation, simulate } from "../../scripts/report/scale/simulate.js";

const simulation: Simulation = {
  reader: { tokensPerSecond: 1000, microBatch: 512, uplink: Number.POSITIVE_INFINITY },
  link: { bytesPerSecond: Number.POSITIVE_INFINITY, latency: 0 },
  demand: { writers: 1, newTokens: 1000, answerTokens: 100, writtenPerSecond: 50, think: 10 },
  cellBytes: 60_000,
  prompts: 2000,
};
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const near = (value: number, expected: number, share: number) => Math.abs(value - expected) <= share * expected;

test("one writer waits for its prompt's reading, and for nothing else", (t) => {
  const { firstToken, busy } = simulate(simulation);
  t.true(firstToken.every((seconds) => near(seconds, 1, 1e-6)));
  // A turn takes 1 s to read, 2 s to write and 10 s to think, on average.
  t.true(near(busy, 1 / 13, 0.1), `${busy}`);
});

test("the network adds both ways' latency, and the last micro-batch's cells where it keeps up", (t) => {
  const link = { bytesPerSecond: 125e6, latency: 0.02 };
  const { firstToken } = simulate({ ...simulation, link });
  t.true(firstToken.every((seconds) => near(seconds, 1 + 0.04 + ((1000 - 512) * 60_000) / 125e6, 1e-6)));
});

test("where the network is slower than the reader, all cells but the first wait count at its speed", (t) => {
  const link = { bytesPerSecond: 6e6, latency: 0 };
  const { firstToken } = simulate({ ...simulation, link });
  t.true(firstToken.every((seconds) => near(seconds, 0.512 + 10, 1e-6)));
});

test("the reader's own connection is shared", (t) => {
  const reader = { ...simulation.reader, uplink: 6e6 };
  t.true(simulate({ ...simulation, reader }).firstToken.every((seconds) => near(seconds, 10.512, 1e-6)));
  const many = simulate({ ...simulation, reader, demand: { ...simulation.demand, writers: 4 } });
  t.true(quantile(many.firstToken, 0.5) > 20);
});

test("many writers that seldom ask wait as the theory of queues says (M/D/1)", (t) => {
  for (const load of [0.3, 0.6, 0.8]) {
    // Hundreds of sources: arrivals are nearly Poisson's.
    const writers = 400;
    const think = writers / load - 3;
    const demand = { ...simulation.demand, writers, think };
    const { firstToken, busy } = simulate({ ...simulation, demand, prompts: 60_000 });
    t.true(near(busy, load, 0.05), `busy ${busy} at ${load}`);
    const expected = 1 + load / (2 * (1 - load));
    t.true(near(mean(firstToken), expected, 0.08), `${mean(firstToken)} and ${expected} s at ${load}`);
  }
});

test("more than the reader can read is never read, however many ask", (t) => {
  const { busy } = simulate({ ...simulation, demand: { ...simulation.demand, writers: 100 } });
  t.true(busy > 0.99 && busy <= 1 + 1e-9, `${busy}`);
});

test("the most writers are those with whom the bound holds, and with one more it does not", (t) => {
  const most = mostWriters(simulation, 2.5);
  const late = (writers: number) =>
    quantile(simulate({ ...simulation, demand: { ...simulation.demand, writers } }).firstToken, 0.95) > 2.5;
  t.true(most > 1);
  t.false(late(most));
  t.true(late(most + 1));
  t.is(mostWriters(simulation, 0.5), 0);
});
