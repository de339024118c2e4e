/** The stages' times, in words. */

import test from "ava";
import { figureRows, formatMs, readFigures, stageShares } from "../../../lib/server/page/browser/figures.js";
import { figures } from "./chunks.js";

test("the server's times are a row for each stage", (t) => {
  const { usage, timings } = figures();
  t.deepEqual(figureRows(readFigures(usage, timings) ?? {}), [
    { stage: "prefill", name: "Read", value: "204 tokens", note: "412 ms" },
    { name: "Cached", value: "1,000 tokens" },
    { stage: "switch", name: "Handover", value: "3.1 ms", note: "same cache" },
    { stage: "decode", name: "Written", value: "90 tokens", note: "1.04 s" },
    { name: "Speed", value: "86 tokens/s" },
  ]);
});

test("an exact answer says how much of its drafts was kept", (t) => {
  const { usage, timings } = figures();
  const rows = figureRows(readFigures(usage, { ...timings, draft_n: 80, draft_n_accepted: 60 }) ?? {});
  t.deepEqual(rows.at(-1), { name: "Drafts", value: "75% kept" });
});

test("what a server does not tell is left out, and nothing at all is no figures", (t) => {
  t.is(readFigures(undefined, undefined), undefined);
  t.is(readFigures({ prompt_tokens: "many" }, { prompt_ms: Number.NaN }), undefined);
  const plain = readFigures({ prompt_tokens: 12, completion_tokens: 1 }, undefined);
  t.deepEqual(
    figureRows(plain ?? {}).map(({ name, value }) => [name, value]),
    [
      ["Read", "12 tokens"],
      ["Written", "1 token"],
    ],
  );
  t.deepEqual(stageShares(plain ?? {}), []);
});

test("the stages' shares of the time add up to all of it", (t) => {
  const shares = stageShares({ readMs: 30, handoverMs: 10, writtenMs: 60 });
  t.deepEqual(shares, [
    { stage: "prefill", share: 0.3 },
    { stage: "switch", share: 0.1 },
    { stage: "decode", share: 0.6 },
  ]);
  t.deepEqual(stageShares({ readMs: 0, writtenMs: 0 }), []);
});

for (const [ms, text] of [
  [0, "0 µs"],
  [0.0123, "12 µs"],
  [0.096, "0.1 ms"],
  [9.94, "9.9 ms"],
  [9.96, "10 ms"],
  [999.4, "999 ms"],
  [999.6, "1.00 s"],
  [9994, "9.99 s"],
  [9996, "10.0 s"],
  [59_949, "59.9 s"],
  [59_960, "1 min 0 s"],
  [125_400, "2 min 5 s"],
] as const) {
  test(`${ms} milliseconds are ${text}`, (t) => {
    t.is(formatMs(ms), text);
  });
}
