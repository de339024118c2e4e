import test from "ava";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatMs,
  formatSpeed,
  formatTime,
} from "../../lib/cli/number-format.js";

test("bytes are shown in binary units with three digits", (t) => {
  const sizes = [0, 1023, 1024, 15_360, 1_741_312, 3 * 1024 ** 3, 5000 * 1024 ** 4];
  const texts = ["0 bytes", "1023 bytes", "1.00 KiB", "15.0 KiB", "1.66 MiB", "3.00 GiB", "5000 TiB"];
  t.deepEqual(sizes.map(formatBytes), texts);
});

test("times are milliseconds, then seconds", (t) => {
  t.deepEqual([0, 0.018, 5.25, 9999, 12_345].map(formatMs), ["0.00 ms", "0.02 ms", "5.3 ms", "9999.0 ms", "12.3 s"]);
});

test("counts and speeds separate thousands, and no time is no speed", (t) => {
  t.is(formatCount(12_345), "12,345");
  t.deepEqual([0, 8.54, 1234.5].map(formatSpeed), ["", "8.5 tokens/s", "1,235 tokens/s"]);
});

test("long times are told by their two largest units", (t) => {
  const times = [0, 400, 45_000, 60_000, 725_000, 3_600_000, 12_000_000, 187_200_000];
  const texts = ["0 s", "0 s", "45 s", "1 min", "12 min 5 s", "1 h", "3 h 20 min", "2 d 4 h"];
  t.deepEqual(times.map(formatDuration), texts);
});

test("what something takes in all has as many digits as it is worth", (t) => {
  t.deepEqual([0.5, 999, 7208.3, 12_345, 3_723_000].map(formatTime), [
    "0.50 ms",
    "999.0 ms",
    "7.2 s",
    "12 s",
    "1 h 2 min",
  ]);
});
