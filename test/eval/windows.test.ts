/** Plain text in windows, against the definition of llama.cpp's perplexity tool. */

import test from "ava";
import { cutWindows } from "../../lib/eval/windows.js";

const count = (n: number) => Array.from({ length: n }, (_, i) => 100 + i);

test("only the second half of each whole window is scored, on the first half", (t) => {
  // A window of 8 reads its first 4 + 1 tokens; the logits of tokens 4, 5 and 6 predict 5, 6 and 7.
  t.deepEqual(
    [...cutWindows(count(19), undefined, 8)],
    [
      { prompt: [100, 101, 102, 103, 104], response: [105, 106, 107] },
      { prompt: [108, 109, 110, 111, 112], response: [113, 114, 115] },
    ],
  );
});

test("each window begins with BOS in place of its first token", (t) => {
  t.deepEqual(
    [...cutWindows([1, ...count(7)], 1, 4)],
    [
      { prompt: [1, 100, 101], response: [102] },
      { prompt: [1, 104, 105], response: [106] },
    ],
  );
});

test("as many tokens are scored as llama.cpp's tool scores", (t) => {
  for (const [size, scored] of [
    [512, 255],
    [100, 49],
    [101, 50],
    [3, 1],
  ] as const) {
    const windows = [...cutWindows(count(5 * size + 2), undefined, size)];
    t.is(windows.length, 5);
    // n_ctx - n_ctx / 2 - 1
    for (const { prompt, response } of windows)
      t.deepEqual([prompt.length + response.length, response.length], [size, scored]);
  }
});

test("a text that is shorter than a window is one; below three tokens there is nothing to score", (t) => {
  t.deepEqual([...cutWindows(count(5), undefined, 512)], [{ prompt: [100, 101, 102], response: [103, 104] }]);
  t.deepEqual([...cutWindows(count(3), undefined, 512)], [{ prompt: [100, 101], response: [102] }]);
  t.deepEqual([...cutWindows(count(2), undefined, 512)], []);
});
