import test from "ava";
import { openSession, readAnswer, someTokens, traced } from "./fixtures.js";
test("x", async (t) => {
    const session = await openSession(t, { prefill: { nEmbd: 256, nFf: 512, nLayers: 4, contextLength: 1024 }, decode: { seed: 2, nEmbd: 32, nFf: 64, nLayers: 4 }, contextSize: 1024, batchSize: 2 });
    await session.prefill(someTokens(90));
    await session.switch();
    t.log((await readAnswer(session.decode(traced(300)))).result, session.stats());
    const controller = new AbortController();
    const running = readAnswer(session.decode({ ...traced(20), refreshInterval: 300, signal: controller.signal }));
    setTimeout(() => controller.abort(), 30);
    await running.catch((error: unknown) => t.log(String(error)));
    t.log(session.stats());
    const rest = await readAnswer(session.decode({ ...traced(20, 20), refreshInterval: 300 }));
    t.log(rest.result, session.stats());
    t.pass();
});
