/**
 * `npm run report:scale`: how many machines that write one machine can read for, by prompt, answer and network, and when
 * reading at home is better. Made of figures that were measured (docs/benchmarks.md) by a simulation (./simulate.ts), as
 * tables of Markdown for docs/scale.md.
 *
 *     npm run report:scale
 */

import { type Link, mostWriters, quantile, type Simulation, simulate } from "./simulate.js";

/**
 * Measured on two cores of an AMD EPYC with AVX-512, 3.1 + 1.2 GB pair in q8_0: reading 128 tokens in 709 ms, a token of
 * the full model in 88 ms and of the small one in 32.5 ms.
 */
const here = { readPerSecond: 128 / 0.709, fullPerSecond: 11.4, smallPerSecond: 30.8 };

/** K and V of 28 layers with 8 heads of 128, in q8_0: 34 bytes for 32 values. */
const cellBytes = (2 * 28 * 8 * 128 * 34) / 32;

/** A supposition: what a small GPU is to those two cores. Everything scales with it. */
const readerFactor = 20;

const networks: readonly { readonly name: string; readonly link: Link }[] = [
  { name: "1 Gbit/s, 0.2 ms", link: { bytesPerSecond: 125e6, latency: 0.0002 } },
  { name: "100 Mbit/s, 5 ms", link: { bytesPerSecond: 12.5e6, latency: 0.005 } },
  { name: "20 Mbit/s, 20 ms", link: { bytesPerSecond: 2.5e6, latency: 0.02 } },
];

const demands = [
  { name: "a turn of a chat", newTokens: 300, answerTokens: 150, think: 30 },
  { name: "an agent's step", newTokens: 1500, answerTokens: 60, think: 5 },
  { name: "a document", newTokens: 6000, answerTokens: 250, think: 120 },
] as const;

type Kind = (typeof demands)[number];

function simulationOf(kind: Kind, link: Link, writers = 1): Simulation {
  const { newTokens, answerTokens, think } = kind;
  return {
    reader: { tokensPerSecond: readerFactor * here.readPerSecond, microBatch: 512, uplink: 125e6 },
    link,
    demand: { writers, newTokens, answerTokens, writtenPerSecond: here.smallPerSecond, think },
    cellBytes,
    prompts: 4000,
  };
}

const seconds = (value: number): string => `${value < 10 ? value.toFixed(2) : value.toFixed(0)} s`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const line = (cells: readonly string[]) => console.log(`| ${cells.join(" | ")} |`);
  line(head);
  line(head.map(() => "---"));
  for (const row of rows) line(row);
  console.log();
}

/** Alone with the reader, and with as many others as it bears. */
function firstTokens(): void {
  const rows = demands.flatMap((kind) =>
    networks.map(({ name, link }) => {
      const simulation = simulationOf(kind, link);
      const local = kind.newTokens / here.readPerSecond;
      const alone = quantile(simulate(simulation).firstToken, 0.5);
      const most = mostWriters(simulation, local);
      const { busy } = simulate(simulationOf(kind, link, Math.max(1, most)));
      return [
        kind.name,
        name,
        seconds(local),
        seconds(alone),
        most === 0 ? "none" : `${most}`,
        most === 0 ? "" : `${Math.round(100 * busy)}%`,
      ];
    }),
  );
  table(["what is asked", "network", "first token, read here", "read there", "writers", "reader busy"], rows);
}

/** What the same reader is worth to a machine that writes with the full model's own weights. */
function answers(): void {
  const [{ link }] = networks as [(typeof networks)[0]];
  const rows = demands.map((kind) => {
    const local = kind.newTokens / here.readPerSecond;
    const remote = quantile(simulate(simulationOf(kind, link)).firstToken, 0.5);
    const [full, small] = [kind.answerTokens / here.fullPerSecond, kind.answerTokens / here.smallPerSecond];
    return [kind.name, seconds(local + full), seconds(local + small), seconds(remote + full), seconds(remote + small)];
  });
  table(["whole answers", "full, all here", "pair, all here", "full, read there", "pair, read there"], rows);
}

firstTokens();
answers();
