/** Several decode models behind one server that reads, here and there. */

import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { loadPairInHost } from "../../lib/host/index.js";
import { type LoadPairOptions, loadPair, type Pair } from "../../lib/index.js";
import { serve } from "../../lib/server/index.js";
import { answerAlone, quiet, readAnswer, refusal, someTokens, traced } from "../engine/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { full, small } from "./prefill-fixtures.js";

interface Files {
  readonly prefill: string;
  readonly quick: string;
  readonly good: string;
  readonly other: string;
}

async function writeFiles(t: ExecutionContext): Promise<Files> {
  const dir = withTempDir(t);
  const write = async (name: string, options: typeof small) =>
    (await writeTinyModel(join(dir, `${name}.gguf`), options)).path;
  return {
    prefill: await write("prefill", full),
    quick: await write("quick", small),
    good: await write("good", { ...small, nEmbd: 96, nFf: 128, seed: 3 }),
    other: await write("other", { ...small, seed: 4 }),
  };
}

const common = { ...quiet, contextSize: 1024, prefixCache: false } as const;

async function open(t: ExecutionContext, options: Partial<LoadPairOptions>): Promise<Pair> {
  const pair = await loadPair({ ...common, ...options } as LoadPairOptions);
  t.teardown(() => pair.dispose());
  return pair;
}

/** Serves a prefill model with two decode models. */
async function office(t: ExecutionContext, files: Files, options: Partial<LoadPairOptions> = {}) {
  const decode = { quick: { model: files.quick }, good: { model: files.good } };
  const pair = await open(t, { prefill: { model: files.prefill }, decode, ...options });
  const server = await serve({ models: { big: pair }, port: 0 });
  t.teardown(() => server.close());
  return { pair, url: server.url };
}

/** Three turns, which the one and the other write. Each seed has texts of its own: what was read before may be read otherwise. */
async function conversation(pair: Pair, seed: number) {
  await using session = await pair.createSession();
  const told = [];
  for (const [i, writer] of ["good", "quick", "good"].entries()) {
    const { refreshedTokens, contextTokens } = await session.prefill(someTokens(i === 0 ? 300 : 20, 10 * seed + i));
    await session.switch({ writer });
    const { tokens, logProbs } = await readAnswer(session.decode(traced(10)));
    told.push({ refreshedTokens, contextTokens, tokens, logProbs });
  }
  return told;
}

test("two writers go on from what one server reads, as those of a pair here", async (t) => {
  const files = await writeFiles(t);
  const { pair, url } = await office(t, files);
  const decode = { good: { model: files.good }, quick: { model: files.quick } };
  const local = await open(t, { prefill: { model: files.prefill }, decode });
  const writer = await open(t, { prefill: { url }, decode });
  t.deepEqual(Object.keys(writer.info.writers), ["good", "quick"]);
  t.deepEqual(await conversation(writer, 1), await conversation(local, 1));
  t.is(pair.metrics().decodeTokens, 0, "the server wrote");
  await using hosted = await loadPairInHost({ ...common, prefill: { url }, decode });
  t.deepEqual(await conversation(hosted, 2), await conversation(local, 2));
});

test("a server reads for whichever of its decode models a client has", async (t) => {
  const files = await writeFiles(t);
  for (const handover of ["share", "translate"] as const) {
    const { url } = await office(t, files, { handover });
    for (const [seed, model] of [files.good, files.quick].entries()) {
      const local = await open(t, { prefill: { model: files.prefill }, decode: { model }, handover });
      const writer = await open(t, { prefill: { url }, decode: { model } });
      const [here, there] = [
        await answerAlone(local, someTokens(200, seed), traced(8)),
        await answerAlone(writer, someTokens(200, seed), traced(8)),
      ];
      t.deepEqual([there.tokens, there.logProbs], [here.tokens, here.logProbs], handover);
    }
  }
});

test("decode models whose cells differ, or that the server has not, are refused with what it is", async (t) => {
  const files = await writeFiles(t);
  const decode = { good: { model: files.good }, quick: { model: files.quick } };
  const translating = await office(t, files, { handover: "translate" });
  const { details } = await refusal(
    t,
    "ERR_REMOTE_UNSUPPORTED",
    open(t, { prefill: { url: translating.url }, decode }),
  );
  t.is(details.feature, "decode");
  const { url } = await office(t, files);
  const unknown = { ...decode, third: { model: files.other } };
  const error = await refusal(t, "ERR_REMOTE_MISMATCH", open(t, { prefill: { url }, decode: unknown }));
  t.truthy(error.details.model);
  const own = { ...decode, quick: { model: files.quick, translator: "x.gguf" } };
  const { details: refused } = await refusal(t, "ERR_INVALID_ARGUMENT", open(t, { prefill: { url }, decode: own }));
  t.is(refused.parameter, "options.decode.quick.translator");
});
