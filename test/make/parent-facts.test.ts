/** The licence that a pair's card carries over is read from the full model's file, whatever the file is. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { generalTexts, readParentFacts } from "../../lib/make/parent-facts.js";
import { refusal } from "../engine/fixtures.js";
import { lookupPair } from "../support/lookups.js";
import { withTempDir } from "../support/temp-dir.js";

/** A GGUF file's beginning with texts, and a number between them. */
function headOf(texts: Readonly<Record<string, string>>): Buffer {
  const string = (text: string) => {
    const bytes = Buffer.from(text);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(bytes.length));
    return Buffer.concat([length, bytes]);
  };
  const type = (number: number) => Buffer.from([number, 0, 0, 0]);
  const keys = Object.entries(texts).flatMap(([key, text]) => [
    ...[string(key), type(8), string(text)],
    ...[string(`${key}.number`), type(4), Buffer.alloc(4)],
  ]);
  const counts = Buffer.alloc(16);
  counts.writeBigUInt64LE(BigInt(2 * Object.keys(texts).length), 8);
  return Buffer.concat([Buffer.from("GGUF"), type(3), counts, ...keys]);
}

test("general texts are read", (t) => {
  const head = headOf({ "general.license": "apache-2.0", "general.license.link": "https://x.org/ä", "llama.x": "no" });
  t.deepEqual(generalTexts(head), { license: "apache-2.0", "license.link": "https://x.org/ä" });
});

test("a file that is cut anywhere, or is none, gives what is whole", (t) => {
  const head = headOf({ "general.name": "A", "general.license": "mit" });
  for (let length = 0; length < head.length; length++) {
    const found = generalTexts(head.subarray(0, length));
    t.true(Object.keys(found).length <= 2);
    if (found.license !== undefined) t.is(found.license, "mit");
  }
  const vast = Buffer.from(head);
  vast.writeBigUInt64LE(2n ** 63n, 24);
  t.deepEqual(generalTexts(vast), {});
  t.deepEqual(generalTexts(Buffer.from("not a model at all, but a text")), {});
});

test("another file has another mark, a copy the same", async (t) => {
  const folder = withTempDir(t);
  const bytes = readFileSync(lookupPair.prefill.model);
  writeFileSync(join(folder, "copy.gguf"), bytes);
  bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1);
  writeFileSync(join(folder, "other.gguf"), bytes);
  const [own, copy, other] = await Promise.all(
    [String(lookupPair.prefill.model), join(folder, "copy.gguf"), join(folder, "other.gguf")].map(readParentFacts),
  );
  t.is(own?.mark, copy?.mark);
  t.not(own?.mark, other?.mark);
  await refusal(t, "ERR_MODEL_NOT_FOUND", readParentFacts(join(folder, "none.gguf")));
});
