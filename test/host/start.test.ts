/** A system that does not start the process of a host: coded errors, at first and after a crash. */

import { renameSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { hostOf, loadPairInHost, type UtilityProcessModule } from "../../lib/host/index.js";
import { OverfillError } from "../../lib/index.js";
import { quiet, refusal, someTokens, traced } from "../engine/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { fakeUtilityProcess } from "./children/fake-utility-process.js";
import { openHost } from "./fixtures.js";

const { execPath } = process;
/** Thrown at once, as ENOMEM is; and told later, as EAGAIN is. */
const badPrograms = ["a\0b", join(import.meta.dirname, "missing")] as const;

async function withProgram(path: string, work: () => Promise<void>): Promise<void> {
  process.execPath = path;
  try {
    await work();
  } finally {
    process.execPath = execPath;
  }
}

async function tinyModel(t: ExecutionContext): Promise<{ readonly model: string }> {
  return { model: (await writeTinyModel(join(withTempDir(t), "a.gguf"))).path };
}

for (const program of badPrograms) {
  const how = program.includes("\0") ? "throws" : "fails";
  test.serial(`a start that ${how} rejects the load with a code`, async (t) => {
    const prefill = await tinyModel(t);
    await withProgram(program, async () => {
      const error = await refusal(t, "ERR_HOST_CRASHED", loadPairInHost({ ...quiet, prefill }));
      t.is(error.details.reason, "start");
      t.is((error.details.log as string[]).length, 1);
      t.regex(error.message, /could not be started/);
    });
  });

  test.serial(`a start that ${how} again and again after a crash ends the pair with a code`, async (t) => {
    let ended = () => {};
    const end = new Promise<void>((resolve) => {
      ended = resolve;
    });
    const reasons: unknown[] = [];
    const { pair, pid } = await openHost(t, {
      onCrash: ({ details }) => {
        if (reasons.push((details as { reason?: unknown }).reason) === 4) ended();
      },
    });
    const session = await pair.createSession();
    await withProgram(program, async () => {
      process.kill(pid(), "SIGKILL");
      await refusal(t, "ERR_HOST_CRASHED", session.prefill([50]));
      await end;
      const error = await refusal(t, "ERR_HOST_CRASH_LOOP", pair.createSession());
      t.is((error.cause as OverfillError).code, "ERR_HOST_CRASHED");
    });
    t.deepEqual(reasons.slice(1), ["start", "start", "start"]);
  });
}

/** A pair whose model is away when the host has crashed; `onCrash` may put it back. */
async function withoutModel(t: ExecutionContext, onCrash: (count: number, back: () => void) => void) {
  const { model } = await tinyModel(t);
  const away = `${model}.away`;
  const crashes: OverfillError[] = [];
  let restarted = () => {};
  const again = new Promise<void>((resolve) => {
    restarted = resolve;
  });
  const pair = await loadPairInHost({
    ...{ ...quiet, prefill: { model } },
    onCrash: (error) => onCrash(crashes.push(error), () => renameSync(away, model)),
    onRestart: () => restarted(),
  });
  t.teardown(() => pair.dispose());
  // A host that nothing is asked of keeps nobody alive.
  const awake = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(awake));
  renameSync(model, away);
  process.kill(hostOf(pair)?.pid ?? 0, "SIGKILL");
  return { pair, crashes, again };
}

test("a model that cannot be loaded once after a crash is tried again", async (t) => {
  const { pair, crashes, again } = await withoutModel(t, (count, back) => count === 2 && back());
  await again;
  t.is(crashes.length, 2);
  t.like(crashes[1]?.details, { reason: "start" });
  t.true(OverfillError.isInstance(crashes[1]?.cause));
  await using session = await pair.createSession();
  t.is((await session.generate(someTokens(10), traced(5))).tokens.length, 5);
});

test("a model that cannot be loaded any more ends the pair, after as many tries as crashes are borne", async (t) => {
  let ended = () => {};
  const end = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const { pair, crashes } = await withoutModel(t, (count) => count === 4 && ended());
  await end;
  const error = await refusal(t, "ERR_HOST_CRASH_LOOP", pair.createSession());
  const last = error.cause as OverfillError;
  t.is(last.code, "ERR_HOST_CRASHED");
  t.true(OverfillError.isInstance(last.cause));
  await pair.dispose();
  t.is(crashes.length, 4);
});

test.serial("a start that fails once after a crash is tried again", async (t) => {
  const prefill = await tinyModel(t);
  let failures = 0;
  let starts = 0;
  const utilityProcess: UtilityProcessModule = {
    fork: (...args) => {
      // The first host is there already.
      if (++starts === 2) throw new Error(`spawn ENOMEM ${++failures}`);
      return fakeUtilityProcess.fork(...args);
    },
  };
  let restarted = () => {};
  const again = new Promise<void>((resolve) => {
    restarted = resolve;
  });
  const crashes: OverfillError[] = [];
  const pair = await loadPairInHost({
    ...{ ...quiet, prefill, utilityProcess },
    onCrash: (error) => crashes.push(error),
    onRestart: () => restarted(),
  });
  t.teardown(() => pair.dispose());
  process.kill(hostOf(pair)?.pid ?? 0, "SIGKILL");
  await again;
  t.is(failures, 1);
  t.is(crashes.length, 2);
  await using session = await pair.createSession();
  t.is((await session.generate(someTokens(10), traced(5))).tokens.length, 5);
});
