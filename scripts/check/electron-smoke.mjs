/**
 * Run by Electron, in its main process: a pair in a utility process answers, is ended by force, comes back and answers the
 * same. Ends with 0 where all of that is true.
 *
 *     electron scripts/check/electron-smoke.mjs
 */
import { app } from "electron";
import { demoPair, demoPrompt } from "overfill";
import { hostOf, loadPairInHost } from "overfill/host";

async function run() {
  await app.whenReady();
  const { promise: restarted, resolve } = Promise.withResolvers();
  const pair = await loadPairInHost({ ...demoPair, onRestart: resolve });
  const answer = async () => {
    await using session = await pair.createSession();
    return (await session.generate(demoPrompt, { temperature: 0 })).text;
  };
  const first = await answer();
  console.log(first);
  process.kill(hostOf(pair).pid, "SIGKILL");
  await restarted;
  const second = await answer();
  await pair.dispose();
  if (first === "" || second !== first) throw new Error(`after the restart it said ${JSON.stringify(second)}`);
}

run().then(
  () => app.exit(0),
  (error) => {
    console.error(error);
    app.exit(1);
  },
);
