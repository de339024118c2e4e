/** Jobs several at a time, taken in their order. */

import test from "ava";
import { runInOrder } from "../../../lib/eval/answers/in-order.js";

/** Jobs that end when they are told to. */
function heldJobs(count: number) {
  return Array.from({ length: count }, () => {
    let resolve = (_: string) => {};
    const promise = new Promise<string>((done) => {
      resolve = done;
    });
    return { promise, resolve };
  });
}

test("results are taken in the jobs' order, whichever ends first", async (t) => {
  const jobs = heldJobs(4);
  const taken: string[] = [];
  const running = runInOrder(
    {
      ...{ first: 0, end: 4, atOnce: 4 },
      work: (index) => jobs[index]?.promise ?? Promise.reject(),
      take: async (index, result) => void taken.push(`${index} ${result}`),
    },
    undefined,
  );
  for (const index of [3, 1, 0, 2]) jobs[index]?.resolve(`job ${index}`);
  await running;
  t.deepEqual(taken, ["0 job 0", "1 job 1", "2 job 2", "3 job 3"]);
});

test("no more run than may, and those before the first are left alone", async (t) => {
  let running = 0;
  let most = 0;
  const taken: number[] = [];
  await runInOrder(
    {
      ...{ first: 3, end: 10, atOnce: 2 },
      work: async (index) => {
        most = Math.max(most, ++running);
        await null;
        running--;
        return index;
      },
      take: async (index) => void taken.push(index),
    },
    undefined,
  );
  t.is(most, 2);
  t.deepEqual(taken, [3, 4, 5, 6, 7, 8, 9]);
});

test("the first failure ends the others and is what the caller gets", async (t) => {
  const fault = new Error("no more");
  const taken: number[] = [];
  const ended: unknown[] = [];
  const running = runInOrder(
    {
      ...{ first: 0, end: 9, atOnce: 3 },
      work: (index, signal) => {
        if (index === 0) return Promise.resolve(index);
        if (index === 1) return Promise.reject(fault);
        return new Promise((_, reject) => {
          const end = () => {
            ended.push(signal.reason);
            reject(signal.reason);
          };
          if (signal.aborted) end();
          else signal.addEventListener("abort", end);
        });
      },
      take: async (index) => void taken.push(index),
    },
    undefined,
  );
  t.is(await t.throwsAsync(running), fault);
  t.deepEqual(taken, [0]);
  t.true(ended.length > 0);
  t.true(ended.every((reason) => reason === fault));
});

test("a result that cannot be taken ends the work", async (t) => {
  const fault = new Error("full");
  const running = runInOrder(
    { ...{ first: 0, end: 9, atOnce: 2 }, work: async (index) => index, take: () => Promise.reject(fault) },
    undefined,
  );
  t.is(await t.throwsAsync(running), fault);
});

test("an abort ends with the signal's reason", async (t) => {
  const reason = new Error("enough");
  const controller = new AbortController();
  const taken: number[] = [];
  const running = runInOrder(
    {
      ...{ first: 0, end: 9, atOnce: 2 },
      work: async (index) => index,
      take: async (index) => {
        if (taken.push(index) === 3) controller.abort(reason);
      },
    },
    controller.signal,
  );
  t.is(await t.throwsAsync(running), reason);
  t.deepEqual(taken.slice(0, 3), [0, 1, 2]);
  t.true(taken.length < 9);
});
