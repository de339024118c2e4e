/** What a prompt that was read before costs, from memory, a file and a folder; saving and restoring; a chat of many turns. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProcess } from "../child-process.js";
import { undisturbed, waitForQuiet } from "../disturbance.js";
import { atLeast, atMost, type Row, row } from "../row.js";
import { median, pairwise } from "../statistics.js";
import type { LastingRequest, LastingTiming } from "./lasting-process.js";
import type { Bench } from "./measurement.js";
import { madeUpTokens } from "./race.js";

export async function measureLasting(bench: Bench): Promise<Row[]> {
  const { shapes, lasting, rounds } = bench.size;
  bench.log(`sessions: a prompt of ${lasting.prompt} tokens, a chat of ${lasting.turns} turns`);
  const prefill = await bench.model({ shape: shapes.prefill, weightType: "q8_0" });
  const decode = await bench.model({ shape: shapes.decode, weightType: "q8_0" });
  const folder = await mkdtemp(join(tmpdir(), "overfill-bench-"));
  const remote = startProcess<LastingRequest, LastingTiming>(new URL("./lasting-process.ts", import.meta.url));
  try {
    await waitForQuiet([remote.pid]);
    const timing = await undisturbed([remote.pid], () =>
      remote.ask({
        prefill: prefill.path,
        decode: decode.path,
        threads: bench.threads,
        contextSize: lasting.prompt + 256,
        prompt: madeUpTokens(lasting.prompt, shapes.prefill.nVocab),
        rounds,
        folder,
        ...lasting.chat,
        turns: lasting.turns,
      }),
    );
    return toRows(bench, timing);
  } finally {
    await remote.close();
    await rm(folder, { recursive: true });
  }
}

function toRows({ size }: Bench, timing: LastingTiming): Row[] {
  const { prompt, turns } = size.lasting;
  const { coldMs, warmMs, restoredMs, onDiskMs, fileBytes, saveMs, copyMs, restoreMs, memoryCopyMs } = timing;
  const section = "sessions";
  const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;
  const rate = (ms: readonly number[]) => `${(fileBytes / 1e6 / median(ms)).toFixed(2)} GB/s`;
  const ofCold = (name: string, ms: readonly number[], bound: number, more = "") =>
    row({
      section,
      name: `first token of a prompt of ${prompt} tokens, ${name}`,
      value: median(ms) / coldMs,
      unit: "ratio",
      target: atMost(bound),
      detail: `${seconds(median(ms))} vs ${seconds(coldMs)} where it is read${more}`,
      rounds: ms.map((one) => one / coldMs),
    });
  const ofPlain = (name: string, plain: readonly number[], ours: readonly number[], bound: number, what: string) => {
    const ratios = pairwise(plain, ours);
    return row({
      section,
      name,
      value: median(ratios),
      unit: "ratio",
      target: atLeast(bound),
      detail: `${rate(ours)} vs ${rate(plain)} ${what}; ${(fileBytes / 1e6).toFixed(0)} MB`,
      rounds: ratios,
    });
  };
  return [
    ofCold("read before vs cold", warmMs, 0.01),
    ofCold("restored from a file vs cold", restoredMs, 0.05),
    ofCold(
      "found on disk by a new pair vs cold",
      onDiskMs,
      0.05,
      `; ${timing.onDiskTokens} of its tokens were on disk`,
    ),
    // A session's restoring reads its file, looks at the checksums and copies all of it into the caches.
    ofPlain(
      "restoring a session from the page cache, rate vs copying as many bytes in memory",
      memoryCopyMs,
      restoreMs,
      0.5,
      `in memory, and ${rate(timing.readMs)} through a small buffer that nobody keeps`,
    ),
    // Both write a new file, flush it and put it in an earlier one's place.
    ofPlain(
      "saving a session, rate vs a plain copy of its file that takes another's place",
      copyMs,
      saveMs,
      0.5,
      `to the disk, and ${rate(timing.overwriteMs)} where the copy overwrites the other`,
    ),
    row({
      section,
      name: `a chat of ${turns} turns, each in a new session: tokens read vs new tokens`,
      value: timing.readTokens / timing.newTokens,
      unit: "ratio",
      target: atMost(1),
      detail: `${timing.readTokens} read, ${timing.newTokens} new`,
    }),
  ];
}
