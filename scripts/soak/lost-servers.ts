/**
 * `npm run test:lost-servers`: a remote pair whose server, network or host goes away at random moments. Whatever was asked
 * then is to have the right answer or an error with a code, in bounded time, and the pair is to be right again afterwards
 * (docs/remote.md). Linux only.
 *
 *     npm run test:lost-servers -- [--times N] [--seed N]
 *
 *     --times N   how often; 200 if left out
 *     --seed N    of what is drawn; the time if left out
 */

import { readdirSync, readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { hostOf, loadPairInHost } from "../../lib/host/index.js";
import { OverfillError, type Pair } from "../../lib/index.js";
import { fakeServer, type LentDevices, lend, newKey } from "../../test/remote/fixtures.js";
import { mulberry32 } from "../../test/support/random.js";
import { makeTempDir } from "../../test/support/temp-dir.js";
import { writeTinyModel } from "../../test/support/tiny-model.js";

const { values } = parseArgs({ options: { times: { type: "string" }, seed: { type: "string" } } });
const times = Number(values.times ?? 200);
const seed = Number(values.seed ?? Math.floor(Date.now() / 1000));
if (!Number.isSafeInteger(times) || times < 1) throw new RangeError("--times: expected a whole number above 0");
const random = mulberry32(seed);

const teardowns: (() => unknown)[] = [];
const t = { teardown: (work: () => unknown) => void teardowns.push(work) };

/** How long a server may be silent, and how long a call may then take in all, in milliseconds. */
const stallMs = 500;
const boundMs = 30_000;

const prompt = Array.from({ length: 1200 }, (_, i) => 40 + ((i * 37) % 160));

async function answerOf(pair: Pair): Promise<string> {
  await using session = await pair.createSession();
  const { tokens } = await session.generate(prompt, { temperature: 0, maxTokens: 60, ignoreEos: true });
  return tokens.join();
}

/** The connections between the pair and its server. */
const wires = new Set<Socket>();

/** What happens to a server, and what ends it. */
const harms: Readonly<Record<string, (lent: LentDevices, pair: Pair) => () => void>> = {
  "server killed": (lent) => {
    lent.crash();
    return () => {};
  },
  "server paused": (lent) => {
    const pid = lent.backend.pid ?? 0;
    process.kill(pid, "SIGSTOP");
    return () => process.kill(pid, "SIGCONT");
  },
  "connection cut": () => {
    for (const wire of wires) wire.destroy();
    return () => {};
  },
  "network silent": () => {
    const held = [...wires];
    for (const wire of held) wire.pause();
    return () => {
      for (const wire of held) wire.destroy();
    };
  },
  "host killed": (_, pair) => {
    const pid = hostOf(pair)?.pid;
    if (pid !== undefined) process.kill(pid, "SIGKILL");
    return () => {};
  },
};

/** A listener between the two, whose connections can be harmed. */
const between = (port: number) =>
  fakeServer(t, (near) => {
    const far = connect({ host: "127.0.0.1", port, noDelay: true });
    far.on("error", () => {});
    near.setNoDelay(true);
    near.pipe(far).pipe(near);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      wires.add(one);
      one.once("close", () => {
        wires.delete(one);
        other.destroy();
      });
    }
  });

const codeOf = (error: unknown): string => {
  if (!OverfillError.isInstance(error)) throw error;
  const { code } = (error.cause ?? {}) as { readonly code?: string };
  return code === undefined ? error.code : `${error.code}, ${code}`;
};

/** Processes of this program that are left. */
function childrenLeft(): number {
  return readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/status`, "utf8").includes(`PPid:\t${process.pid}\n`);
    } catch {
      return false;
    }
  }).length;
}

const folder = makeTempDir();
const awake = setInterval(() => {}, 1000);
const childrenBefore = childrenLeft();
const counts: Record<string, number> = {};
let [wrong, slowestMs] = [0, 0];
try {
  console.log(`seed ${seed}`);
  const { key, file } = newKey(t);
  const lent = await lend(t, { key });
  const wide = { nEmbd: 128, nFf: 256, nLayers: 4, contextLength: 2048 };
  const url = `rpcs://127.0.0.1:${await between(lent.port)}`;
  await using pair = await loadPairInHost({
    prefill: {
      model: (await writeTinyModel(join(folder.path, "prefill.gguf"), wide)).path,
      devices: [{ url, key: file }],
    },
    decode: { model: (await writeTinyModel(join(folder.path, "decode.gguf"), { ...wide, nEmbd: 64, seed: 2 })).path },
    ...{ threads: 1, gpu: false, contextSize: 2048, batchSize: 64 },
    remote: { timeoutMs: 5000, stallTimeoutMs: stallMs },
    maxRestarts: 1000,
  });
  const begun = performance.now();
  const right = await answerOf(pair);
  const usualMs = performance.now() - begun;
  const names = Object.keys(harms);
  for (let i = 0; i < times; i++) {
    const name = names[i % names.length] ?? "";
    let heal = () => {};
    const timer = setTimeout(() => {
      heal = harms[name]?.(lent, pair) ?? heal;
    }, random() * usualMs);
    const start = performance.now();
    const outcome = await answerOf(pair).then(
      (answer) => (answer === right ? "the right answer" : "a wrong answer"),
      codeOf,
    );
    slowestMs = Math.max(slowestMs, performance.now() - start);
    clearTimeout(timer);
    heal();
    counts[`${name}: ${outcome}`] = (counts[`${name}: ${outcome}`] ?? 0) + 1;
    if (outcome === "a wrong answer") wrong++;
    // It comes back, for the first call or for one of the next.
    for (const deadline = performance.now() + boundMs; ; ) {
      const again = await answerOf(pair).catch(codeOf);
      if (again === right) break;
      if (!again.startsWith("ERR_") || performance.now() > deadline) {
        wrong++;
        console.log(`${name}, afterwards: ${again}`);
        break;
      }
    }
  }
} finally {
  clearInterval(awake);
  for (const work of teardowns.reverse()) await work();
  await folder.remove();
}
const left = childrenLeft() - childrenBefore;
const passed = wrong === 0 && left === 0 && slowestMs < boundMs;
console.log(
  JSON.stringify({ passed, times, wrong, slowestMs: Math.round(slowestMs), childrenLeft: left, counts }, null, 2),
);
process.exitCode = passed ? 0 : 1;
