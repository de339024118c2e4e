/**
 * The process that soaks: rounds of activities side by side, and after each, when nothing runs, a sample and a known answer.
 * Takes the number of seconds, the seed and a folder; prints the samples and counts as JSON.
 */

import { demoPair, loadPair } from "../../lib/index.js";
import { mulberry32 } from "../../test/support/random.js";
import { activities, knownAnswer, noCounts, quiet, type Soak } from "./activities.js";
import { type Sample, sample } from "./samples.js";

const [seconds = 60, seed = 1] = process.argv.slice(2, 4).map(Number);
const folder = process.argv[4] ?? ".";

const random = mulberry32(seed);
const counts = noCounts();
const atOnce = 6;
// A session that is forked waits for a second place: one more than the activities, or all might wait for each other.
const maxSessions = atOnce + 1;
const roundSeconds = Math.min(5, Math.max(0.5, seconds / 100));

const pair = await loadPair({
  ...{ ...demoPair, ...quiet, contextSize: 1024, maxSessions, queue: { maxWaiting: 1000 } },
  prefixCache: { maxBytes: 8e6 },
});
const soak: Soak = { pair, random, folder, counts };
const expected = await knownAnswer(pair);

const samples: Sample[] = [];
const begin = performance.now();
const elapsed = () => (performance.now() - begin) / 1000;
let wrongAnswers = 0;

// A round may take long on a busy machine; fewer say nothing.
const fewestRounds = 20;
while (elapsed() < seconds || samples.length < fewestRounds) {
  const end = elapsed() + roundSeconds;
  const rounds = Array.from({ length: atOnce }, async () => {
    while (elapsed() < end) {
      const activity = activities[Math.floor(random() * activities.length)];
      await activity?.(soak);
    }
  });
  await Promise.all(rounds);
  if ((await knownAnswer(pair)) !== expected) wrongAnswers++;
  // What a worker or an answer has left to the event loop is done.
  await new Promise((resolve) => setImmediate(resolve));
  // Pages of freed memory go back to the system as a pair is disposed, and until then are whoever's next asks for memory.
  await (await loadPair({ ...demoPair, ...quiet })).dispose();
  samples.push(sample(begin, counts.tokens));
}
await pair.dispose();
process.stdout.write(JSON.stringify({ samples, counts, wrongAnswers }));
