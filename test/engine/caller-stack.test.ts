/** Every error shows the line of the program that called, wherever it was made. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import {
  createModel,
  demoPair,
  evaluate,
  fitTranslator,
  heal,
  inspect,
  inspectTranslator,
  loadPair,
  measureImportance,
  OverfillError,
  type Pair,
  pad,
  prune,
  readImportance,
  type Session,
} from "../../lib/index.js";
import { withTempDir } from "../support/temp-dir.js";
import { openPair, openSession, quiet } from "./fixtures.js";

const { prefill: full, decode: small } = demoPair;
const model = "/nowhere/model.gguf";
const out = "/nowhere/out.gguf";
const missing = { model };

/** The package's own frame and the user's below it; nothing of what runs inside. */
function showsCaller(t: ExecutionContext, error: unknown): void {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const frames = stack.split("\n").filter((line) => /^ +at /.test(line));
  t.true(OverfillError.isInstance(error), String(error));
  t.true(stack.startsWith(`${(error as Error).name}: ${(error as Error).message}`), stack);
  t.true(
    frames.slice(0, 4).some((frame) => frame.includes("caller-stack.test")),
    stack,
  );
}

const thrownBy = async (attempt: () => unknown): Promise<unknown> => {
  try {
    await attempt();
  } catch (error) {
    return error;
  }
  return undefined;
};

const calls: Readonly<Record<string, (folder: string) => Promise<unknown>>> = {
  loadPair: () => loadPair({ prefill: missing }),
  "loadPair with a wrong option": () => loadPair({ prefill: missing, threads: 0 }),
  "loadPair of what is in a file": (folder) => loadPair({ prefill: { model: join(folder, "text.txt", "a.gguf") } }),
  "loadPair of a long name": () => loadPair({ prefill: { model: `/tmp/${"a".repeat(300)}.gguf` } }),
  inspect: () => inspect({ prefill: missing }),
  inspectTranslator: () => inspectTranslator(new URL("https://example.org/a")),
  fitTranslator: (folder) => fitTranslator({ ...quiet, prefill: full, decode: small, text: join(folder, "none"), out }),
  prune: () => prune({ model, hidden: 0.5, select: "random", out }),
  pad: () => pad({ model, out }),
  measureImportance: () => measureImportance({ model, text: "/nowhere/text", out }),
  readImportance: () => readImportance(new URL("https://example.org/a")),
  heal: () => heal({ student: model, mode: "sft", data: "/nowhere/data", out }),
  createModel: () =>
    createModel({ out, tokenizer: model, hiddenSize: 64, feedForwardSize: 64, layers: 1, heads: 2, kvHeads: 2 }),
  evaluate: () => evaluate({ prefill: full, data: "/nowhere/data.jsonl" }),
};

for (const [title, call] of Object.entries(calls))
  test(`an error of ${title} shows the caller's line`, async (t) => {
    const folder = withTempDir(t);
    writeFileSync(join(folder, "text.txt"), "x");
    showsCaller(t, await thrownBy(() => call(folder)));
  });

const long = Array.from({ length: 300 }, () => 50);
const onSession: Readonly<Record<string, (session: Session, pair: Pair) => unknown>> = {
  "createSession without room": (_, pair) => pair.createSession(),
  tokenize: (session) => session.tokenize(5 as unknown as string),
  detokenize: (session) => session.detokenize([5000]),
  encode: (_, pair) => pair.encode({ prompt: "", response: "" }),
  prefill: (session) => session.prefill(long),
  switch: (session) => session.switch(),
  truncate: (session) => session.truncate(1),
  generate: (session) => session.generate(long),
  decode: (session) => session.decode({ topK: -1 }),
  "the result of decode": (session) => session.decode().result,
  "the reading of decode": async (session) => {
    for await (const _chunk of session.decode());
  },
};

for (const [title, call] of Object.entries(onSession))
  test(`an error of ${title} shows the caller's line`, async (t) => {
    const session = await openSession(t, { contextSize: 256, queue: { maxWaiting: 0 } });
    showsCaller(t, await thrownBy(() => call(session, session.pair)));
  });

test("an error of score shows the caller's line", async (t) => {
  const pair = await openPair(t, { contextSize: 256 });
  showsCaller(t, await thrownBy(() => pair.score(long, ["x"])));
});

test("the caller's own errors keep their stack", async (t) => {
  const own = new RangeError("enough");
  const { stack } = own;
  const pair = loadPair({ prefill: missing, signal: AbortSignal.abort(own) });
  t.is(await thrownBy(() => pair), own);
  t.is(own.stack, stack);
});
