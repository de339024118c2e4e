/** Intervals: how often they hold what they should hold, and where there are none. */

import test from "ava";
import { type BootstrapOptions, bcaInterval, bootstrap, type Statistic } from "../../lib/eval/bootstrap.js";
import { normalCdf, normalQuantile } from "../../lib/eval/normal-distribution.js";
import { gaussian, mulberry32 } from "../support/random.js";

const usual: BootstrapOptions = { confidence: 0.95, resamples: 1000, seed: 1 };

const table = (rows: readonly (readonly number[])[]) => ({
  values: Float64Array.from(rows.flat()),
  width: rows[0]?.length ?? 0,
});
/** Of two columns: the second counts. */
const mean: Statistic = ([sum = 0, count = 0]) => sum / count;

test("the normal distribution has the values of its tables", (t) => {
  const known: readonly (readonly [x: number, p: number])[] = [
    [0, 0.5],
    [1, 0.8413447460685429],
    [1.959963984540054, 0.975],
    [2.5758293035489004, 0.995],
    [2.999, 0.9986456634662728],
    [3.001, 0.998654527174915],
    [-4, 3.167124183311992e-5],
    [-8, 6.220960574271785e-16],
  ];
  for (const [x, p] of known) t.true(Math.abs(normalCdf(x) - p) <= 1e-11 * Math.max(p, 1e-3), `${x}: ${normalCdf(x)}`);
  for (const p of [1e-9, 0.01, 0.3, 0.5, 0.7, 0.999]) t.true(Math.abs(normalCdf(normalQuantile(p)) - p) < 1e-13);
});

/** How often 95% intervals hold the truth, over so many simulated data sets. */
async function coverage(
  nSets: number,
  confidence: number,
  draw: (seed: number) => readonly (readonly number[])[],
  statistic: Statistic,
  truth: number,
): Promise<number> {
  let held = 0;
  for (let seed = 0; seed < nSets; seed++) {
    const options = { ...usual, confidence, resamples: 500, seed: 1000 + seed };
    const [estimate] = await bootstrap(table(draw(seed)), [statistic], options);
    if ((estimate?.low ?? Number.NaN) <= truth && truth <= (estimate?.high ?? Number.NaN)) held++;
  }
  return held / nSets;
}

test("95% intervals of a mean hold the truth at that rate", async (t) => {
  const rate = await coverage(
    600,
    0.95,
    (seed) => {
      const random = gaussian(mulberry32(seed));
      return Array.from({ length: 60 }, () => [3 + 2 * random(), 1]);
    },
    mean,
    3,
  );
  t.true(rate >= 0.92 && rate <= 0.98, String(rate));
});

test("80% intervals of an accuracy hold the truth at that rate", async (t) => {
  const rate = await coverage(
    600,
    0.8,
    (seed) => {
      const random = mulberry32(seed);
      return Array.from({ length: 150 }, () => [random() < 0.3 ? 1 : 0, 1]);
    },
    mean,
    0.3,
  );
  t.true(rate >= 0.75 && rate <= 0.85, String(rate));
});

test("95% intervals of a perplexity, which is skewed, hold the truth at that rate", async (t) => {
  // Losses of examples that have different lengths: exp of a ratio of sums. The loss does not depend on the length.
  const rate = await coverage(
    600,
    0.95,
    (seed) => {
      const random = mulberry32(seed);
      return Array.from({ length: 80 }, () => {
        const tokens = 1 + Math.floor(random() * 30);
        return [tokens * -2 * Math.log(1 - random()), tokens];
      });
    },
    (sums) => Math.exp(mean(sums)),
    Math.exp(2),
  );
  t.true(rate >= 0.91 && rate <= 0.98, String(rate));
});

test("95% intervals of a paired difference are narrow where rows go together, and hold the truth", async (t) => {
  const draw = (seed: number) => {
    const random = gaussian(mulberry32(seed));
    return Array.from({ length: 50 }, () => {
      const difficulty = 10 * random();
      return [difficulty + 1 + random(), difficulty + random(), 1];
    });
  };
  const difference: Statistic = ([a = 0, b = 0, count = 0]) => a / count - b / count;
  const rate = await coverage(400, 0.95, draw, difference, 1);
  t.true(rate >= 0.91 && rate <= 0.98, String(rate));
  const [paired, alone] = await bootstrap(table(draw(7)), [difference, ([a = 0, , count = 0]) => a / count], usual);
  const width = (estimate: typeof paired) => (estimate?.high ?? Number.NaN) - (estimate?.low ?? Number.NaN);
  t.true(width(paired) < width(alone) / 3);
});

test("the interval of a symmetric case is the plain percentiles'", (t) => {
  // 0 to 100 with the figure in the middle, and a jackknife without skewness: neither bias nor acceleration.
  const replicates = Float64Array.from({ length: 101 }, (_, i) => i);
  const interval = bcaInterval(50, replicates, Float64Array.of(-1, 0, 1), 0.9);
  t.true(Math.abs((interval?.low ?? 0) - 5) < 1e-9);
  t.true(Math.abs((interval?.high ?? 0) - 95) < 1e-9);
});

test("bias moves both bounds, acceleration the far one more", (t) => {
  const replicates = Float64Array.from({ length: 1001 }, (_, i) => i);
  const still = Float64Array.of(-1, 0, 1);
  const biased = bcaInterval(600, replicates, still, 0.9);
  t.true((biased?.low ?? 0) > 51 && (biased?.high ?? 0) > 951);
  // One example that would lower the figure much if it went: a figure that is skewed to the right.
  const skewed = bcaInterval(500, replicates, Float64Array.of(0, 0, 0, 0, 0, 0, 0, -1), 0.9);
  t.true((skewed?.low ?? 0) > 50 && (skewed?.high ?? 0) > 950);
  const all = bcaInterval(-5, replicates, still, 0.9);
  t.true(Math.abs((all?.low ?? 0) - 50) < 1e-9, "with every draw on one side the percentiles are left");
});

test("equal seeds give equal intervals, others do not", async (t) => {
  const data = table([3, 1, 4, 1, 5, 9, 2, 6].map((x) => [x, 1]));
  const [a] = await bootstrap(data, [mean], usual);
  t.deepEqual((await bootstrap(data, [mean], usual))[0], a);
  t.notDeepEqual((await bootstrap(data, [mean], { ...usual, seed: 2 }))[0], a);
  t.is(a?.value, 31 / 8);
  t.true((a?.low ?? 9) < 31 / 8 && (a?.high ?? 0) > 31 / 8);
  const [narrow] = await bootstrap(data, [mean], { ...usual, confidence: 0.5 });
  t.true((narrow?.low ?? 0) > (a?.low ?? 9) && (narrow?.high ?? 9) < (a?.high ?? 0));
});

test("examples that are all alike have an interval of no width", async (t) => {
  t.deepEqual(await bootstrap(table(Array.from({ length: 9 }, () => [0.5, 1])), [mean], usual), [
    { value: 0.5, low: 0.5, high: 0.5 },
  ]);
});

test("one example has a figure without an interval; none has no figure", async (t) => {
  t.deepEqual(await bootstrap(table([[2, 1]]), [mean, () => Number.NaN], usual), [{ value: 2 }, undefined]);
  t.deepEqual(await bootstrap({ values: new Float64Array(), width: 2 }, [mean], usual), [undefined]);
});

test("there is no interval where some draw has no figure", async (t) => {
  // Only two of ten examples have what is counted.
  const rare = table(Array.from({ length: 10 }, (_, i) => (i < 2 ? [i, 1] : [0, 0])));
  t.deepEqual(await bootstrap(rare, [mean], usual), [{ value: 0.5 }]);
  // Without the only one there is no figure.
  t.deepEqual(
    await bootstrap(
      table([
        [3, 1],
        [0, 0],
      ]),
      [mean],
      usual,
    ),
    [{ value: 3 }],
  );
});

test("a signal stops the draws, and they let others have a turn", async (t) => {
  const data = table(Array.from({ length: 2000 }, (_, i) => [i, 1]));
  const controller = new AbortController();
  const fractions: number[] = [];
  const stopped = bootstrap(data, [mean], {
    ...{ ...usual, resamples: 1_000_000, signal: controller.signal },
    onProgress: (fraction) => {
      fractions.push(fraction);
      if (fractions.length === 3) controller.abort("enough");
    },
  });
  t.is(await stopped.catch((error: unknown) => error), "enough");
  t.is(fractions.length, 3);
  t.true(fractions.every((fraction, i) => fraction > (fractions[i - 1] ?? 0) && fraction < 1));
});
