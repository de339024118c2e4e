/** Many clients at once, of which some leave, read slowly, send rubbish or half of a request: the others get their answers. */

import test from "ava";
import { runLoad } from "./load.js";

test("well-behaved clients are answered among others, and nothing stays behind", async (t) => {
  t.timeout(180_000);
  const { answered, troubles, wrong, before, after } = await runLoad({ clients: 24, seconds: 4 });
  t.deepEqual(wrong, []);
  t.true(answered >= 6 && troubles > 0, `${answered} were answered, ${troubles} troubled`);
  t.deepEqual([after.running, after.busy, after.waiting], [0, 0, 0]);
  t.true((after.descriptors ?? 0) <= (before.descriptors ?? 0), `${before.descriptors}, ${after.descriptors}`);
});
