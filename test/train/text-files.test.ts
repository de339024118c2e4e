/** Texts and data as other programs save them: training, importance and fitting read alike, and say where they cannot. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import anyTest, { type TestFn } from "ava";
import { fitTranslator, heal, measureImportance } from "../../lib/index.js";
import { quiet, refusal } from "../engine/fixtures.js";
import { text } from "../support/gguf-format.js";
import { makeTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";

const test = anyTest as TestFn<{
  readonly folder: string;
  readonly model: string;
  readonly remove: () => Promise<void>;
}>;

test.before(async (t) => {
  const { path: folder, remove } = makeTempDir();
  const model = join(folder, "model.gguf");
  await writeTinyModel(model, { metadata: { "tokenizer.ggml.pre": text("tekken") } });
  t.context = { folder, model, remove };
});
test.after.always((t) => t.context.remove?.());

const words = "the cat sat on the mat\n".repeat(200);
const utf16 = (content: string) => Buffer.from(`\ufeff${content}`, "utf16le");

type Readers = Readonly<Record<string, (model: string, file: string, out: string) => Promise<unknown>>>;

const readers: Readers = {
  heal: (student, data, out) =>
    heal({ ...quiet, mode: "sft", student, data, out, maxSteps: 2, batchSize: 2, contextSize: 64 }),
  importance: (model, file, out) => measureImportance({ ...quiet, model, text: file, out, window: 64 }),
  fit: (model, file, out) =>
    fitTranslator({ ...quiet, prefill: { model }, decode: { model }, text: file, out, chunkSize: 64, maxTokens: 2000 }),
};

const wrong: readonly (readonly [title: string, content: Buffer, line: number])[] = [
  ["UTF-16", utf16(words), 1],
  ["UTF-16 without a mark", utf16(words).subarray(2), 1],
  ["Latin-1", Buffer.from(`${words}caf\xe9 au lait\n`, "latin1"), 201],
  ["a zero byte", Buffer.from(`${words}\n\0${words}`), 202],
];
for (const [reader, read] of Object.entries(readers)) {
  for (const [title, content, line] of wrong)
    test(`${reader}: a text in or with ${title} is refused with its line`, async (t) => {
      const { folder, model } = t.context;
      const file = join(folder, `${reader} ${title}.txt`);
      writeFileSync(file, content);
      const error = await refusal(t, "ERR_DATA_INVALID", read(model, file, join(folder, `${reader}-${line}.gguf`)));
      t.true(error.message.startsWith(`${file}:${line}: `), error.message);
      t.is(String((error.details as { line?: unknown }).line), String(line));
    });

  test(`${reader}: a long run of characters without a break is a text like any other`, async (t) => {
    const { folder, model } = t.context;
    const file = join(folder, `${reader}-run.TXT`);
    writeFileSync(file, `\ufeff${words}${"QUJD".repeat(12_500)}\n${words}`);
    await t.notThrowsAsync(read(model, file, join(folder, `${reader}-run.gguf`)));
  });
}

test("lines in UTF-16 are refused as a whole, lines in Latin-1 are told and skipped", async (t) => {
  const { folder, model } = t.context;
  const lines = Array.from({ length: 6 }, (_, i) => JSON.stringify({ prompt: `the ${i}`, response: " cat" }));
  const data = join(folder, "lines.jsonl");
  const options = { ...quiet, mode: "sft", student: model, data, out: join(folder, "lines.gguf") } as const;
  writeFileSync(data, utf16(lines.join("\n")));
  await refusal(t, "ERR_DATA_INVALID", heal({ ...options, maxSteps: 2, batchSize: 2, contextSize: 64 }));

  writeFileSync(
    data,
    Buffer.from(`\xef\xbb\xbf${lines.join("\n")}\n{"prompt": "caf\xe9", "response": "a"}\n`, "latin1"),
  );
  const { badLines } = await heal({ ...options, epochs: 1, batchSize: 2, contextSize: 64 });
  t.deepEqual(badLines, [{ path: data, line: 7, reason: "it is not UTF-8 (probably Latin-1 or Windows-1252)" }]);
});
