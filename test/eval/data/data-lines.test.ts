/** Lines of files in right and wrong encodings. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type DataLine, readLines, readWholeText } from "../../../lib/eval/data/data-lines.js";
import { refusal } from "../../engine/fixtures.js";
import { withTempDir } from "../../support/temp-dir.js";

function fileOf(t: ExecutionContext, content: string | Buffer, name = "data.jsonl"): string {
  const path = join(withTempDir(t), name);
  writeFileSync(path, content);
  return path;
}

async function linesOf(path: string): Promise<DataLine[]> {
  const lines: DataLine[] = [];
  for await (const line of readLines(path)) lines.push(line);
  return lines;
}

const notUtf8 = "it is not UTF-8 (probably Latin-1 or Windows-1252)";

test("lines come with their numbers; blank ones count, but do not come", async (t) => {
  const path = fileOf(t, "a\n\n \t\nb\r\nc");
  t.deepEqual(await linesOf(path), [
    { number: 1, text: "a" },
    { number: 4, text: "b\r" },
    { number: 5, text: "c" },
  ]);
  t.deepEqual(await linesOf(fileOf(t, "")), []);
});

test("a byte order mark of UTF-8 is passed over, at the beginning of the file only", async (t) => {
  const lines = await linesOf(fileOf(t, "\uFEFFa\n\uFEFFb\n"));
  t.deepEqual(
    lines.map(({ text }) => text),
    ["a", "\uFEFFb"],
  );
});

test("lines and characters that span the chunks of a read are whole", async (t) => {
  const long = "é€𝄞".repeat(30_000);
  const lines = await linesOf(fileOf(t, `${long}\nx\n${long}`));
  t.deepEqual(
    lines.map(({ text }) => text === long || text),
    [true, "x", true],
  );
});

test("bytes that are no UTF-8 make their line a bad one; they never become U+FFFD", async (t) => {
  const bytes = Buffer.concat([
    Buffer.from("a\n"),
    Buffer.from("caf\xe9\n", "latin1"),
    Buffer.from([0xed, 0xa0, 0x80, 0x0a]), // half of a surrogate pair
    Buffer.from("\uFFFD is a character like others\n"),
    Buffer.from("cut \u20ac").subarray(0, -1),
  ]);
  const lines = await linesOf(fileOf(t, bytes));
  t.deepEqual(
    lines.map(({ number, text, problem }) => [number, text ?? problem]),
    [
      [1, "a"],
      [2, notUtf8],
      [3, notUtf8],
      [4, "\uFFFD is a character like others"],
      [5, notUtf8],
    ],
  );
});

test("a zero byte makes a bad line", async (t) => {
  t.deepEqual(await linesOf(fileOf(t, "abc\nd\0\n")), [
    { number: 1, text: "abc" },
    { number: 2, problem: "it contains a zero byte" },
  ]);
});

const swapped = Buffer.from('{"text": "a"}\n', "utf16le").swap16();
const wide: readonly (readonly [title: string, content: Buffer])[] = [
  ["UTF-16 with its mark", Buffer.from('\uFEFF{"text": "a"}\n', "utf16le")],
  ["UTF-16 of the other order", Buffer.concat([Buffer.from([0xfe, 0xff]), swapped])],
  ["UTF-16 without a mark", Buffer.from('{"text": "a"}\n', "utf16le")],
  ["UTF-16 of the other order without a mark", swapped],
  ["UTF-32", Buffer.from([0, 0, 0xfe, 0xff, 0, 0, 0, 0x7b])],
];
for (const [title, content] of wide)
  test(`a file in ${title} is refused as a whole`, async (t) => {
    const path = fileOf(t, content);
    for (const read of [linesOf(path), readWholeText(path)]) {
      const error = await refusal(t, "ERR_DATA_INVALID", read);
      t.deepEqual(error.details, { path, line: 1 });
      t.regex(error.message, /in UTF-(16LE|16BE|32), or is not text/);
    }
  });

test("a line that is longer than any line of data is refused by number", async (t) => {
  const path = fileOf(t, Buffer.concat([Buffer.from("a\n"), Buffer.alloc(65 * 2 ** 20, "x")]));
  const error = await refusal(t, "ERR_DATA_INVALID", linesOf(path));
  t.deepEqual(error.details, { path, line: 2 });
});

test("a file that is not there, or is a folder, is told as of every other file", async (t) => {
  const folder = withTempDir(t);
  const file = fileOf(t, "a\n");
  for (const [path, words] of [
    [join(folder, "none.jsonl"), "does not exist"],
    // The system's own reason follows, which differs between systems.
    [join(file, "a.jsonl"), "does not exist"],
    [join(folder, "a".repeat(300)), "does not exist"],
    [folder, "is not a file"],
  ] as const)
    for (const read of [linesOf(path), readWholeText(path)]) {
      const error = await refusal(t, "ERR_FILE_READ_FAILED", read);
      t.true(error.message.startsWith(`${path} ${words}`), error.message);
      t.is(error.details.path, path);
      t.true(error.cause instanceof Error);
    }
});

test("a signal that has fired ends the reading with its reason", async (t) => {
  const path = fileOf(t, "a\nb\n");
  const lines = readLines(path, AbortSignal.abort("enough"));
  t.is(await lines.next().catch((error: unknown) => error), "enough");
});

test("a text is read whole, with its line breaks", async (t) => {
  t.is(await readWholeText(fileOf(t, "\uFEFFone\n\ntwo\n", "a.txt")), "one\n\ntwo\n");
  t.is(await readWholeText(fileOf(t, "", "a.txt")), "");
  const error = await refusal(t, "ERR_DATA_INVALID", readWholeText(fileOf(t, Buffer.from([0x61, 0xff]), "b.txt")));
  t.is(error.details.line, 1);
});
