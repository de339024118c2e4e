/** Remote pairs in hosts: a lost server costs a call, and never more time than was granted. */

import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type HostOptions, loadPairInHost } from "../../lib/host/index.js";
import { type OverfillError, type Pair, RemoteError, type RemoteOptions } from "../../lib/index.js";
import { answer, answerAlone, quiet, refusal, someTokens, traced } from "../engine/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { deadPort, type LentDevices, lend, newKey } from "./fixtures.js";

/** Windows has no signals. */
const testPosix = process.platform === "win32" ? test.skip : test;

async function open(
  t: ExecutionContext,
  url: string,
  { key, ...remote }: RemoteOptions & { readonly key?: string } = {},
  options: HostOptions & { readonly batchSize?: number } = {},
): Promise<{ readonly pair: Pair; readonly crashes: readonly OverfillError[] }> {
  const dir = withTempDir(t);
  const crashes: OverfillError[] = [];
  const wide = { nEmbd: 128, nFf: 256, nLayers: 4, contextLength: 4096 };
  // A host that nothing is asked of keeps nobody alive, also where a test waits for its end.
  const awake = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(awake));
  const pair = await loadPairInHost({
    ...quiet,
    contextSize: 4096,
    ...options,
    prefill: {
      model: (await writeTinyModel(join(dir, "prefill.gguf"), wide)).path,
      devices: [key === undefined ? url : { url, key }],
    },
    decode: { model: (await writeTinyModel(join(dir, "decode.gguf"), { ...wide, nEmbd: 64, seed: 2 })).path },
    remote,
    onCrash: (error) => crashes.push(error),
  });
  t.teardown(() => pair.dispose());
  return { pair, crashes };
}

/** Reads a long prompt in small pieces; `during` is called once, when it has begun. */
async function readLong(pair: Pair, during: () => void): Promise<unknown> {
  const session = await pair.createSession();
  let isBegun = false;
  return session.prefill(someTokens(4000), {
    onProgress: () => {
      if (!isBegun) during();
      isBegun = true;
    },
  });
}

function isLoss(t: ExecutionContext, error: OverfillError): void {
  t.is((error.cause as OverfillError | undefined)?.code, "ERR_REMOTE_LOST", error.message);
  t.true(RemoteError.isInstance(error.cause));
}

test("a pair in a host has its prefill model elsewhere, through a tunnel", async (t) => {
  const { key, file } = newKey(t);
  const { pair } = await open(t, (await lend(t, { key })).url, { key: file });
  const { tokens } = await answerAlone(pair, someTokens(100), traced(8));
  t.is(tokens.length, 8);
});

testPosix(
  "a server that is ended in mid prefill costs the call, and the pair comes back with the server",
  async (t) => {
    const lent = await lend(t);
    const { pair, crashes } = await open(t, lent.url, {}, { batchSize: 8 });
    const before = await answerAlone(pair, someTokens(30), traced(6));
    const error = await refusal(t, "ERR_HOST_CRASHED", readLong(pair, lent.crash));
    isLoss(t, error);
    t.is(crashes.length, 1);
    const after = await untilBack(() => answerAlone(pair, someTokens(30), traced(6)));
    t.deepEqual(after.tokens, before.tokens);
  },
);

/** The server takes a moment to come back, in which calls are refused. */
async function untilBack<Value>(call: () => Promise<Value>): Promise<Value> {
  while (true) {
    try {
      return await call();
    } catch (error) {
      if (!RemoteError.isInstance(error)) throw error;
    }
  }
}

testPosix("while the server is away calls are refused, and later ones are not", async (t) => {
  // Below the ports that the system gives away: another test's server would be found at the same one.
  const lent = await lend(t, { port: 20_000 + (process.pid % 10_000) });
  const { pair, crashes } = await open(t, lent.url, { timeoutMs: 20_000 }, { batchSize: 8 });
  const failed = refusal(
    t,
    "ERR_HOST_CRASHED",
    readLong(pair, () => void lent.close()),
  );
  isLoss(t, await failed);
  await refusal(t, "ERR_REMOTE_UNREACHABLE", pair.createSession());
  await refusal(t, "ERR_REMOTE_UNREACHABLE", pair.tokenizeAsync("a"));
  await lend(t, { port: lent.port });
  const { tokens } = await answerAlone(pair, someTokens(30), traced(6));
  t.is(tokens.length, 6);
  t.is(crashes.length, 1);
});

testPosix("a server that hangs in mid prefill is lost when its time is over", async (t) => {
  const lent = await lend(t);
  const { pair } = await open(t, lent.url, { stallTimeoutMs: 700 }, { batchSize: 8, restart: "never" });
  const stop = () => process.kill(lent.backend.pid ?? 0, "SIGSTOP");
  t.teardown(() => process.kill(lent.backend.pid ?? 0, "SIGCONT"));
  const error = await refusal(t, "ERR_HOST_CRASHED", readLong(pair, stop));
  isLoss(t, error);
  t.true(
    error.details.log.some((line) => /owed an answer for 700 ms/.test(line)),
    error.details.log.join("\n"),
  );
});

test("a server that cannot be used fails the load with its code", async (t) => {
  const dead = open(t, `rpc://127.0.0.1:${await deadPort()}`);
  await refusal(t, "ERR_REMOTE_UNREACHABLE", dead);
  const { key } = newKey(t);
  const lent = await lend(t, { key });
  await refusal(t, "ERR_REMOTE_REFUSED", open(t, lent.url, { key: newKey(t).file }));
  await refusal(t, "ERR_REMOTE_UNREACHABLE", open(t, lent.url.replace("rpcs", "rpc")));
});

test("a server with another client is busy, and free again when that one is disposed", async (t) => {
  const lent: LentDevices = await lend(t);
  const first = await open(t, lent.url);
  await refusal(t, "ERR_REMOTE_TIMEOUT", open(t, lent.url, { timeoutMs: 500 }));
  await first.pair.dispose();
  const { pair } = await open(t, lent.url, { timeoutMs: 20_000 });
  await using session = await pair.createSession();
  t.is((await answer(session, someTokens(5), traced(3))).tokens.length, 3);
});
